"""A source's samples in shards: made in parallel, kept when a run is killed.

A finished shard is a folder that was written aside and renamed: `part-*.arrow`, and `shard.json` with what
was counted and set aside. What a shard holds is fixed by its source and its number alone, so that its bytes
are the same whatever the number of workers and the order in which they finish. Workers have one thread each,
are started afresh (a fork would copy torch's locks) and die with the process that started them.
"""

from __future__ import annotations

import operator
import os
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa

from pipeline import files, guard, records, runtime
from pipeline.progress import Progress
from pipeline.records import Sample
from pipeline.sources import Ranged, Skipped, Source, Tabled

SHARDS, SMALLEST = 32, 128  # a dataset has about so many shards, but none smaller or larger than
LARGEST = records.ROWS_PER_SHARD  # these, in rows
WORTH = 2  # shards for which it is worth starting a worker, which takes seconds


class ShardError(RuntimeError):
    """Shards that can't be made, or that belong to something else."""


@dataclass(frozen=True)
class Shard:
    """A finished shard: its files, and what they hold."""

    parts: list[Path]
    rows: int
    people: Counter[str]  # rows by identity
    set_aside: list[dict[str, str]]

    @classmethod
    def read(cls, folder: Path) -> Shard:
        facts = files.read_json(folder / "shard.json")
        parts = sorted(folder.glob("part-*.arrow"))
        return cls(parts, facts["rows"], Counter(facts["people"]), facts["set_aside"])


def collect(
    source: Source, writer: records.Writer, kept: Path, settings: runtime.Runtime, bar: Progress
) -> Counter[str]:
    """Every sample into `writer`; how many each identity has.

    A source that can be cut is read in parallel: then finished shards stay below `kept`, a folder
    that is named by the fingerprint of all that they are made from.
    """
    people: Counter[str] = Counter()
    if isinstance(source, Ranged):
        for shard in shards(source, operator.length_hint(source), kept / "shards", kept.name, settings):
            writer.adopt(shard.parts, shard.rows)
            writer.set_aside += shard.set_aside
            people.update(shard.people)
            bar.advance(shard.rows + len(shard.set_aside))
        return people
    for found in source.tables() if isinstance(source, Tabled) else source.samples():
        if isinstance(found, pa.Table):
            writer.extend(found)
            counts = found["identity"].drop_null().value_counts()
            people.update(dict(zip(*(part.to_pylist() for part in counts.flatten()), strict=True)))
            bar.advance(found.num_rows)
        else:
            _put(found, writer, people)
            bar.advance()
    return people


def _put(sample: Sample | Skipped, writer: records.Writer, people: Counter[str]) -> None:
    if isinstance(sample, Skipped):
        writer.skip(sample.sample_id, sample.reason)
        return
    writer.add(sample)
    people.update([] if sample.identity is None else [sample.identity])


def shards(
    source: Ranged, total: int, folder: Path, fingerprint: str, settings: runtime.Runtime
) -> Iterator[Shard]:
    """Every shard in order, made if it is not in `folder` yet; `total` is how many rows there are, or 0.

    `fingerprint` says what the shards are made from; those of anything else are refused.
    """
    stretches = source.stretches(min(LARGEST, max(SMALLEST, -(-total // SHARDS))) if total else LARGEST)
    _check(
        folder / "plan.json", {"fingerprint": fingerprint, "shards": [[s.start, s.stop] for s in stretches]}
    )
    places = [folder / f"{number:05d}" for number in range(len(stretches))]
    waiting = [(at, stretch) for at, stretch in zip(places, stretches, strict=True) if not at.exists()]
    workers = min(settings.workers, len(waiting) // WORTH)
    if workers <= 1:
        missing = dict(waiting)
        for place in places:
            if place in missing:
                make(source, missing[place], place)
            yield Shard.read(place)
        return
    with _pool(source, workers, settings) as pool:
        futures = {place: _submit(pool, stretch, place) for place, stretch in waiting}
        try:
            for place in places:
                if place in futures:
                    _wait(futures[place], place)
                yield Shard.read(place)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _check(path: Path, plan: object) -> None:
    if not path.exists():
        files.write_json(path, plan)
    elif files.read_json(path) != plan:
        raise ShardError(
            f"{path.parent} holds shards of other params, data or code; remove it to start afresh"
        )


def make(source: Ranged, numbers: range, place: Path) -> None:
    """One shard, whole or not at all."""
    people: Counter[str] = Counter()
    with files.writing_dir(place) as aside:
        writer = records.Writer(aside)
        for sample in source.stretch(numbers):
            _put(sample, writer, people)
        writer.flush()
        facts = {"rows": writer.count, "people": dict(people), "set_aside": writer.set_aside}
        files.write_json(aside / "shard.json", facts)


_SOURCE: list[Ranged] = []  # of a worker process: given once, not with every shard


def _pool(source: Ranged, workers: int, settings: runtime.Runtime) -> ProcessPoolExecutor:
    one = settings.model_copy(update={"threads_choice": 1})
    return ProcessPoolExecutor(workers, get_context("spawn"), _start, (source, one, os.getpid()))


def _start(source: Ranged, settings: runtime.Runtime, parent: int) -> None:
    """A worker's first act. Ctrl-C ends it without a word: the process that started it tells."""
    guard.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ["OMP_NUM_THREADS"] = "1"
    runtime.prepare(settings, seed=0)
    import cv2

    cv2.setNumThreads(1)
    _SOURCE[:] = [source]


def _work(numbers: range, place: Path) -> None:
    make(_SOURCE[0], numbers, place)


def _submit(pool: ProcessPoolExecutor, numbers: range, place: Path) -> Future[None]:
    with _told(f"before shard {place.name} was begun"):
        return pool.submit(_work, numbers, place)


def _wait(future: Future[None], place: Path) -> None:
    with _told(f"while shard {place.name} was waited for"):
        future.result()


@contextmanager
def _told(when: str) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        what = f"a worker died {when} (killed, or out of memory?)"
        raise ShardError(f"{what}; finished shards are kept, a new run goes on from there") from error
