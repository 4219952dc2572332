"""How far a long work is: a bar with rate and time left on a terminal, else a log line now and then."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

log = logging.getLogger(__name__)
EVERY = 10.0  # seconds between log lines


class Progress(Protocol):
    """Told of a long work's steps."""

    def advance(self, steps: int = 1) -> None: ...


class Lines:
    """Progress as log lines, one every `every` seconds."""

    def __init__(self, total: float, what: str, every: float = EVERY) -> None:
        self.total, self.what, self.every = total, what, every
        self.done = 0
        self.started = self.told = time.monotonic()

    def advance(self, steps: int = 1) -> None:
        self.done += steps
        now = time.monotonic()
        if now - self.told >= self.every:
            self.told = now
            log.info("%s", self.line(now - self.started))

    def line(self, seconds: float) -> str:
        """ "crop: 120/1000 (12 %), 35.1/s, 25 s left"; without a total "crop: 120, 35.1/s" """
        rate = self.done / max(seconds, 1e-9)
        if self.total <= 0:
            return f"{self.what}: {self.done}, {rate:.1f}/s"
        left = max(self.total - self.done, 0) / max(rate, 1e-9)
        share = 100 * self.done / self.total
        return f"{self.what}: {self.done}/{self.total:.0f} ({share:.0f} %), {rate:.1f}/s, {left:.0f} s left"


class Bar:
    """Progress as a bar of rich on standard error."""

    def __init__(self, total: float, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        rate = TextColumn("{task.fields[rate]}")
        self.rich = RichProgress(*columns, rate, TimeRemainingColumn(), console=Console(stderr=True))
        self.task = self.rich.add_task(what, total=total if total > 0 else None, rate="")

    def advance(self, steps: int = 1) -> None:
        speed = self.rich.tasks[0].speed
        self.rich.update(self.task, advance=steps, rate=f"{speed:.1f}/s" if speed else "")


@contextmanager
def progress(total: float, what: str) -> Iterator[Progress]:
    """`with progress(n, "crop") as bar: bar.advance()`; a total of 0 means that nobody knows it."""
    if not sys.stderr.isatty():
        yield Lines(total, what)
        return
    bar = Bar(total, what)
    with bar.rich:
        yield bar
