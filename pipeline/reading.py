"""A source's samples into a dataset: in shards where the source can be cut, else from first to last."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import records, runtime, shards
from pipeline.progress import Progress
from pipeline.records import Sample
from pipeline.sources import Ranged, Skipped, Source, Tabled


@dataclass(frozen=True)
class Reading:
    """Stretches of a source's samples as shards."""

    source: Ranged
    threaded = False

    def make(self, numbers: range, folder: Path, workers: int, tell: Callable[[int], None]) -> dict[str, Any]:
        people: Counter[str] = Counter()
        writer = records.Writer(folder)
        for sample in self.source.stretch(numbers):
            _put(sample, writer, people)
            tell(1)
        writer.flush()
        seen = writer.count + len(writer.set_aside)
        return {
            "seen": seen,
            "rows": writer.count,
            "people": dict(people),
            "set_aside": writer.set_aside,
        }


def collect(
    source: Source, writer: records.Writer, kept: Path, settings: runtime.Runtime, bar: Progress
) -> Counter[str]:
    """Every sample into `writer`; how many each identity has.

    A source that can be cut is read in parallel: then finished shards stay below `kept`, a folder
    that is named by the fingerprint of all that they are made from.
    """
    if isinstance(source, Ranged):
        return _in_shards(source, writer, kept, settings, bar)
    people: Counter[str] = Counter()
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


def _in_shards(
    source: Ranged, writer: records.Writer, kept: Path, settings: runtime.Runtime, bar: Progress
) -> Counter[str]:
    people: Counter[str] = Counter()
    stretches = source.stretches(shards.rows(operator.length_hint(source)))
    for shard in shards.made(Reading(source), stretches, kept, settings, bar):
        writer.adopt(shard.parts, shard.facts["rows"])
        writer.set_aside += shard.facts["set_aside"]
        people.update(shard.facts["people"])
    return people


def _put(sample: Sample | Skipped, writer: records.Writer, people: Counter[str]) -> None:
    if isinstance(sample, Skipped):
        writer.skip(sample.sample_id, sample.reason)
        return
    writer.add(sample)
    people.update([] if sample.identity is None else [sample.identity])
