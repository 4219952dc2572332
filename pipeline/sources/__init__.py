"""Where samples come from: a source yields samples, its pair lists and what it knows about itself.

Every plugin has `build(params, raw, settings) -> Source`: `raw` is the dataset's place on disk
(a folder, an archive or a link to one; need not exist for a source that makes its own samples) and
`settings` holds the params of the stage that a source may need (worlds, sizes, seeds).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from pipeline.records import Sample


class SourceError(ValueError):
    """Raw data that can't be read as asked: a place, a list or a pair that is not what params say."""


@dataclass
class Skipped:
    """A sample that can't be used: which one, and why."""

    sample_id: str
    reason: str


class Source(Protocol):
    """Samples in an order that never changes; rows of `records.PAIRS`; what the dataset's page should say."""

    def samples(self) -> Iterator[Sample | Skipped]: ...

    def pairs(self) -> list[dict[str, Any]]: ...

    def about(self) -> dict[str, Any]: ...


@runtime_checkable
class Ranged(Source, Protocol):
    """A source that can yield any stretch of its samples by itself: its shards are made in parallel.

    It is sent to other processes (pickled). What a stretch yields depends on nothing but its numbers.
    """

    def stretches(self, rows: int) -> list[range]:
        """Its samples from first to last in stretches of about `rows`, numbered as the source likes."""
        ...

    def stretch(self, numbers: range) -> Iterator[Sample | Skipped]: ...


@runtime_checkable
class Tabled(Source, Protocol):
    """A source that can say of many samples at once where they lie in its files."""

    def tables(self) -> Iterator[pa.Table | Sample | Skipped]:
        """What `samples` yields, in the same order, where it can as tables in columns of `records.PLACED`."""
        ...


@runtime_checkable
class Listed(Source, Protocol):
    """A source with lists beyond pairs: tables of `records.LISTS` by name."""

    def lists(self) -> dict[str, pa.Table]: ...


def per_identity(people: Counter[str]) -> dict[str, Any]:
    """How many identities there are, and how many images they have."""
    counts = sorted(people.values())
    images = {"min": counts[0], "median": statistics.median(counts), "max": counts[-1]} if counts else {}
    return {"identities": len(counts), **({"images_per_identity": images} if images else {})}


def remarks(people: Counter[str], samples: int) -> list[str]:
    """What a trainer will stumble over, though it is no fault of a dataset as such."""
    single = sum(count == 1 for count in people.values())
    found = {
        "it holds no samples": not samples,
        "it holds one identity: labels teach nothing": len(people) == 1,
        f"{single} of {len(people)} identities have a single image": single > 0,
    }
    return [note for note, true in found.items() if true]
