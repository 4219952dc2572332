"""MegaFace: every face of a probe set sought among distractors, its mates in the gallery one at a time.

    rank of (i, j)   1 + distractors d with <z_i, z_d> >= <z_i, z_j>,  i and j two faces of one person
    CMC(k) at size n share of the pairs (i, j), both orders, of rank <= k among the first n distractors
    TAR at FAR x     genuine: the pairs i < j; impostors: every probe with every distractor

(https://arxiv.org/abs/1512.00596.) Distractors come in blocks, from a file larger than memory if need be;
held are one block of scores, the highest of each probe, and the highest of all. Ties count against the probe:
so does every distractor within TIED of the mate, as scores are rounded in float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from pipeline.evaluate.identify import mates
from pipeline.evaluate.streaming import HighestRows, StreamingRoc
from pipeline.evaluate.vectors import cosine, normalise

BYTES = 16 * 2**20  # of scores of a block
TIED = 1e-6  # difference of two scores that is rounding alone
MOST_KEPT = 2**23  # scores for the largest FAR asked


def npy_blocks(path: Path, rows: int = 8192) -> Iterator[npt.NDArray[np.float32]]:
    """The rows of a two-dimensional .npy file in order, read without mapping it."""
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        first = version == (1, 0)
        header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file)
        if len(shape) != 2 or fortran:
            raise ValueError(f"{path}: shape {shape}; embeddings are (rows, d), row after row")
        for start in range(0, shape[0], rows):
            count = min(rows, shape[0] - start) * shape[1]
            block = np.fromfile(file, dtype, count)
            if len(block) < count:
                raise ValueError(f"{path}: truncated, {shape[0]} rows are promised")
            yield block.reshape(-1, shape[1]).astype(np.float32, copy=False)


class Sought:
    """The `depth` highest scores of each probe among the distractors that have passed."""

    def __init__(self, probes: int, depth: int) -> None:
        self.top = np.full((probes, depth), -np.inf, np.float32)
        self.lowest = self.top[:, :1].copy()

    def add(self, scores: Float[np.ndarray, "p m"]) -> None:
        above = np.flatnonzero(scores > self.lowest)  # far faster than nonzero() of two dimensions
        if not len(above):
            return
        row, column = np.divmod(above, scores.shape[1])
        count = np.bincount(row, minlength=len(self.top))
        within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        wide = np.full((len(self.top), int(count.max())), -np.inf, np.float32)
        wide[row, within] = scores[row, column]
        depth = self.top.shape[1]
        self.top = np.partition(np.concatenate([self.top, wide], 1), wide.shape[1], axis=1)[:, -depth:].copy()
        self.lowest = self.top.min(1, keepdims=True)

    def ranks(
        self, probe: npt.NDArray[np.int64], score: npt.NDArray[np.floating[Any]]
    ) -> npt.NDArray[np.int64]:
        """1 + distractors at or above each score; depth + 1 means that or more."""
        rank = np.empty(len(probe), np.int64)
        step = max(1, BYTES // self.top.shape[1])
        for start in range(0, len(probe), step):
            part = slice(start, start + step)
            rank[part] = 1 + (self.top[probe[part]] >= score[part, None]).sum(1)
        return rank


def megaface(
    probes: Float[np.ndarray, "p d"],
    people: npt.NDArray[Any],
    distractors: Iterable[Float[np.ndarray, "m d"]],
    sizes: Sequence[int],
    ranks: Sequence[int] = (1, 10),
    fars: Sequence[float] = (1e-6,),
    kept: int = 0,
) -> dict[str, Any]:
    """CMC at each number of distractors, and TAR at each FAR with as many as the largest of them.

    `rank` is that of every pair (i, j) = (`probe`, `mate`) among all of them, `ranks` at each number of them;
    max(ranks) + 1: that or more. With `kept` the `impostors` are so many of the highest scores of probes with
    distractors, and the probe of each.
    """
    sizes, depth = sorted(sizes), max(ranks)
    unit = normalise(probes)
    probe, mate = mates(people, people)
    probe, mate = probe[probe != mate], mate[probe != mate]
    if not len(probe):
        raise ValueError("no probe has a mate: MegaFace needs two faces of a person at least")
    genuine = cosine(unit, probe, mate).astype(np.float32)
    sought, roc = Sought(len(unit), depth), _roc(max(fars, default=0.0), len(unit) * sizes[-1])
    roc.genuine.keep = roc.genuine.highest.keep = len(genuine)
    roc.genuine.add(genuine[probe < mate])
    highest = HighestRows(kept) if kept else None
    cmc: dict[int, dict[int, float]] = {}
    rank, every = np.ones(len(probe), np.int64), dict[int, npt.NDArray[np.int64]]()
    for seen, scores in _scores(unit, distractors, sizes):
        sought.add(scores)
        roc.impostors.add(scores)
        if highest is not None:
            highest.add(scores)
        if seen in sizes:
            rank = every[seen] = sought.ranks(probe, genuine.astype(np.float64) - TIED)
            cmc[seen] = {int(k): float((rank <= k).mean()) for k in ranks}
    tars = [roc.tar_at_far(far) for far in fars]
    told = {"cmc": cmc, "tar_at_far": tars, "pairs": len(probe), "probes": len(unit)}
    told |= {} if highest is None else {"impostors": highest.found}
    return {**told, "probe": probe, "mate": mate, "score": genuine, "rank": rank, "ranks": every}


def _roc(far: float, impostors: int) -> StreamingRoc:
    keep = int(far * impostors) + 2
    if keep > MOST_KEPT:
        raise ValueError(
            f"FAR {far:g} of {impostors} impostor pairs: {keep} scores, at most {MOST_KEPT} are kept"
        )
    return StreamingRoc(keep, bins=0)


def _scores(
    unit: Float[np.ndarray, "p d"], distractors: Iterable[Float[np.ndarray, "m d"]], sizes: Sequence[int]
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """(distractors so far, their scores), cut so that every size is the end of a block."""
    height = max(1, BYTES // (4 * len(unit)))
    product = np.empty(len(unit) * height, np.float32)
    seen = 0
    for block in distractors:
        rows = normalise(block, range(seen, seen + len(block)))
        start = 0
        while start < len(rows) and seen < sizes[-1]:
            to_next = next(size for size in sizes if size > seen) - seen
            stop = min(start + height, start + to_next, len(rows))
            out = product[: len(unit) * (stop - start)].reshape(len(unit), stop - start)
            seen += stop - start
            yield seen, np.matmul(unit, rows[start:stop].T, out=out)
            start = stop
        if seen >= sizes[-1]:
            return
    if seen < sizes[-1]:
        raise ValueError(f"{seen} distractors, {sizes[-1]} are asked for")
