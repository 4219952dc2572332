"""How far a long work is: a bar with rate and time left on a terminal, else a log line now and then.

What came of it: one line at the end of a stage that may set samples aside.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

log = logging.getLogger(__name__)
EVERY = 10.0  # seconds between log lines
QUIET = 30.0  # seconds without a step after which a line says so; then after twice as many, and so on
LEAST, SPAN = 3.0, 60.0  # seconds that a rate is taken over: from, to
REASONS = 5  # that a line names


class Progress(Protocol):
    """Told of a long work's steps."""

    def advance(self, steps: int = 1) -> None: ...


class Pace:
    """How fast a work is of late, and how long it will still take.

    What came before the first step (start-up) and with it (steps of an earlier, resumed run) does not count,
    and what is longer ago than `SPAN` is forgotten.
    """

    def __init__(self, total: float) -> None:
        self.total, self.done = total, 0
        self.marks: deque[tuple[float, int]] = deque()  # second, steps done by then; a second apart or more

    def advance(self, steps: int, now: float) -> None:
        self.done += steps
        if not self.marks or now - self.marks[-1][0] >= 1:
            self.marks.append((now, self.done))
        while len(self.marks) > 2 and now - self.marks[1][0] >= SPAN:
            self.marks.popleft()

    def rate(self, now: float) -> float | None:
        """Steps a second; None before there is a sensible one."""
        if not self.marks:
            return None
        then, before = self.marks[0]
        return (self.done - before) / (now - then) if self.done > before and now - then >= LEAST else None

    def text(self, now: float) -> str:
        """ "35.1/s, 25 s left", without a total "35.1/s", and nothing before there is a sensible rate."""
        rate = self.rate(now)
        if rate is None:
            return ""
        speed = f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"
        return f"{speed}, {span(max(self.total - self.done, 0) / rate)} left" if self.total > 0 else speed


def span(seconds: float) -> str:
    """ "25 s", "12 min", "3 h 20 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class Lines:
    """Progress as log lines, one every `every` seconds."""

    def __init__(self, total: float, what: str, every: float = EVERY) -> None:
        self.what, self.every, self.pace = what, every, Pace(total)
        self.told = self.heard = time.monotonic()
        self.patience = QUIET

    def advance(self, steps: int = 1) -> None:
        now = time.monotonic()
        self.pace.advance(steps, now)
        self.heard, self.patience = now, QUIET
        if now - self.told >= self.every:
            self.told = now
            log.info("%s", self.line(now))

    def listen(self, over: threading.Event) -> None:
        """Until then tell now and then where no step comes: that is no end, nor has anything stopped."""
        while not over.wait(EVERY):
            silent = time.monotonic() - self.heard
            if silent >= self.patience:
                self.patience *= 2
                log.info("%s, at work; nothing finished for %s", self.line(time.monotonic()), span(silent))

    def line(self, now: float) -> str:
        """ "crop: 120/1000 (12 %), 35.1/s, 25 s left"; without a total "crop: 120, 35.1/s" """
        done, total = self.pace.done, self.pace.total
        far = f"{done}/{total:.0f} ({100 * done / total:.0f} %)" if total > 0 else str(done)
        return ", ".join(filter(None, (f"{self.what}: {far}", self.pace.text(now))))


class Bar:
    """Progress as a bar of rich on standard error."""

    def __init__(self, total: float, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        # the clock runs where no step comes for long, too
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        pace = TextColumn("{task.fields[pace]}")
        self.pace = Pace(total)
        self.rich = RichProgress(*columns, pace, console=Console(stderr=True))
        self.task = self.rich.add_task(what, total=total if total > 0 else None, pace="")

    def advance(self, steps: int = 1) -> None:
        now = time.monotonic()
        self.pace.advance(steps, now)
        self.rich.update(self.task, advance=steps, pace=self.pace.text(now))


@contextmanager
def progress(total: float, what: str) -> Iterator[Progress]:
    """`with progress(n, "crop") as bar: bar.advance()`; a total of 0 means that nobody knows it."""
    if not sys.stderr.isatty():
        lines, over = Lines(total, what), threading.Event()
        listener = threading.Thread(target=lines.listen, args=(over,), daemon=True, name="progress")
        listener.start()
        try:
            yield lines
        finally:
            over.set()
            listener.join()
        return
    bar = Bar(total, what)
    with bar.rich:
        yield bar


def finished(address: str, what: str, count: int, aside: Sequence[Mapping[str, str]], folder: Path) -> None:
    """The last line of a stage that may set samples aside: how many, why, and where they are listed."""
    end = "none set aside"
    if aside:
        kinds = Counter(kind(row["reason"]) for row in aside).most_common()
        told = [f"{reason}: {number:,}" for reason, number in kinds[:REASONS]]
        if rest := sum(number for _, number in kinds[REASONS:]):
            told.append(f"other reasons: {rest:,}")
        end = f"{len(aside):,} set aside ({', '.join(told)}); see {folder / 'set_aside.parquet'}"
    log.info("%s: %s of %s %s, %s", address, f"{count:,}", f"{count + len(aside):,}", what, end)


def kind(reason: str) -> str:
    """A reason without what differs from sample to sample: numbers, and details behind a colon."""
    return re.sub(r"\[.*?\]+|(?<!\w)-?\d+(?:\.\d+)?", "…", reason.partition(":")[0]).strip()
