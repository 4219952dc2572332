"""Work in shards: made in parallel, here or on a cluster, and kept when a run is killed.

A finished shard is a folder that was written aside and renamed: `part-*.arrow`, and `shard.json` with what
was counted and set aside. What a shard holds is fixed by its task and its numbers alone, so that its bytes
are the same whatever makes it, and whatever the order in which shards are finished (see `pools`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files, pools, records, runtime
from pipeline.pools import ShardError, Submit, Task
from pipeline.progress import Progress

SHARDS, SMALLEST = 32, 128  # a dataset has about so many shards, but none smaller or larger than
LARGEST = records.ROWS_PER_SHARD  # these, in rows
WORTH = 2  # shards for which it is worth starting a worker, which takes seconds


@dataclass(frozen=True)
class Shard:
    """A finished shard: its files, and what its task said of them."""

    folder: Path
    parts: list[Path]
    facts: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Shard:
        facts = files.read_json(folder / pools.FACTS) if (folder / pools.FACTS).exists() else {}
        if facts.get("sizes") != pools.sizes(folder):
            raise ShardError(f"{folder} is not what its shard.json says; remove it to have it made again")
        return cls(folder, sorted(folder.glob("part-*.arrow")), facts)


def rows(total: int, least: int | None = None) -> int:
    """How many rows a shard of a dataset of `total` rows should have; 0 stands for a number not known."""
    return min(LARGEST, max(least or SMALLEST, -(-total // SHARDS))) if total else LARGEST


def stretches(total: int, size: int) -> list[range]:
    """The numbers 0 to `total` in stretches of `size`."""
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def made(
    task: Task, cut: Sequence[range], kept: Path, settings: runtime.Runtime, bar: Progress
) -> Iterator[Shard]:
    """Every shard in order, made if it is not there yet; `cut` are the numbers of each.

    They lie below `kept`, a folder that is named by the fingerprint of all that they are made from; those of
    anything else are refused. `bar` is told of every sample.
    """
    folder = kept / "shards"
    _check(folder / "plan.json", {"fingerprint": kept.name, "shards": [[s.start, s.stop] for s in cut]})
    places = [folder / f"{number:05d}" for number in range(len(cut))]
    waiting = {at: stretch for at, stretch in zip(places, cut, strict=True) if not at.exists()}
    pool = _pool(task, len(waiting), folder, settings)
    if pool is None:
        for place in places:
            if place in waiting:
                pools.make(task, waiting[place], place, settings.workers, bar.advance)
            yield _told(place, bar, told=place in waiting)
        return
    with pool as submit:
        waits = {place: submit(stretch, place) for place, stretch in waiting.items()}
        for place in places:
            if place in waits:
                waits[place]()
            yield _told(place, bar)


def _pool(
    task: Task, waiting: int, folder: Path, settings: runtime.Runtime
) -> AbstractContextManager[Submit] | None:
    """Where shards are made; None is here and now."""
    if settings.cluster and waiting:
        return pools.cluster(task, settings.cluster, folder)
    workers = min(settings.workers, waiting // WORTH)
    return None if task.threaded or workers <= 1 else pools.processes(task, workers, settings, folder)


def _told(place: Path, bar: Progress, told: bool = False) -> Shard:
    """A finished shard, once the bar knows of it."""
    shard = Shard.read(place)
    if not told:
        bar.advance(shard.facts["seen"])
    return shard


def _check(path: Path, plan: object) -> None:
    files.sweep(path.parent)
    if not path.exists():
        files.write_json(path, plan)
    elif files.read_json(path) != plan:
        raise ShardError(
            f"{path.parent} holds shards of other params, data or code; remove it to start afresh"
        )
