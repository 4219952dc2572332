"""Identification of probes in a gallery: CMC, and the open set's TPIR at FPIR; a block of products at a time.

    rank of a probe   1 + gallery entries of other people with score >= its mate's   (ties count against it)
    CMC(k)            share of mated probes of rank <= k
    FPIR(t)           share of probes without a mate whose best score is >= t
    TPIR(t)           share of mated probes of rank <= r whose mate scores >= t
    TPIR at FPIR x    the largest TPIR(t) with FPIR(t) <= x, refused and flagged as a TAR at FAR is

(NIST FRVT 1:N, https://doi.org/10.6028/NIST.IR.8009; r = 1 there, 20 for QMUL-SurvFace.) A mate is the best
entry of the probe's own person. Scores are inner products of unit vectors, in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float

from pipeline.evaluate import curves

BYTES = 64 * 2**20  # of scores held at a time


@dataclass(frozen=True)
class Found:
    """What searching a gallery gave of every probe."""

    mate: npt.NDArray[np.float32]  # score of the best entry of the probe's person, -inf: not in the gallery
    rank: npt.NDArray[np.int64]  # of that entry, from 1; 0: not in the gallery
    other: npt.NDArray[np.float32]  # best score of anybody else, -inf: there is nobody else
    gallery: int  # entries

    @property
    def mated(self) -> npt.NDArray[np.bool_]:
        return self.rank > 0


def mates(
    probe_people: npt.NDArray[Any], gallery_people: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(probe, gallery entry) of every two that are one person, by probe; a missing name is nobody's mate."""
    codes, _ = pd.factorize(np.concatenate([probe_people, gallery_people]))
    mine, theirs = codes[: len(probe_people)], codes[len(probe_people) :]
    order = np.argsort(theirs, kind="stable")
    first, last = (np.searchsorted(theirs[order], mine, side) for side in ("left", "right"))
    count = np.where(mine >= 0, last - first, 0)
    probe = np.repeat(np.arange(len(mine)), count)
    within = np.arange(len(probe)) - np.repeat(np.cumsum(count) - count, count)
    return probe, order[first[probe] + within]


def search(
    probes: Float[np.ndarray, "p d"],
    probe_people: npt.NDArray[Any],
    gallery: Float[np.ndarray, "g d"],
    gallery_people: npt.NDArray[Any],
    size: int = BYTES,
) -> Found:
    """Mate, rank and best other of every probe; at most `size` bytes of scores (one row at least)."""
    if not len(gallery) or not len(probes):
        raise ValueError(f"{len(probes)} probes and a gallery of {len(gallery)}: nothing to search")
    probe, entry = mates(np.asarray(probe_people), np.asarray(gallery_people))
    mate = np.full(len(probes), -np.inf, np.float32)
    rank, other = np.zeros(len(probes), np.int64), np.empty(len(probes), np.float32)
    height = max(1, size // (4 * len(gallery)))
    product = np.empty((min(height, len(probes)), len(gallery)), np.float32)
    for start in range(0, len(probes), height):
        stop = min(start + height, len(probes))
        scores = np.matmul(probes[start:stop], gallery.T, out=product[: stop - start])
        mine = slice(*np.searchsorted(probe, [start, stop]))
        row, column = probe[mine], entry[mine]
        np.maximum.at(mate, row, scores[row - start, column])
        scores[row - start, column] = -np.inf
        other[start:stop] = scores.max(1)
        mated = np.unique(row)
        ahead = np.isfinite(mate[mated]) & (other[mated] >= mate[mated])  # most probes have rank 1
        rank[mated] = 1
        for number in mated[ahead]:
            rank[number] += np.count_nonzero(scores[number - start] >= mate[number])
    return Found(mate, rank, other, len(gallery))


def cmc(found: Found, ranks: Sequence[int]) -> dict[int, float]:
    """Share of mated probes whose rank is at most k, for every k of `ranks`."""
    rank = found.rank[found.mated]
    if not len(rank):
        raise ValueError("no probe has a mate in the gallery: there is no rank")
    if any(k < 1 for k in ranks):
        raise ValueError(f"ranks {list(ranks)}: they count from 1")
    return {int(k): float((rank <= k).mean()) for k in ranks}


def open_set(found: Found, rank: int = 1) -> curves.Roc:
    """The curve of TPIR (as `tar`) over FPIR (as `far`), for mates of at most this rank."""
    mated = found.mated
    if mated.all() or not mated.any():
        raise ValueError(
            f"{int(mated.sum())} probes with a mate and {int((~mated).sum())} without: an open set has both"
        )
    accepted = mated & (found.rank <= rank)
    never = int(mated.sum() - accepted.sum())
    return curves.steps(found.mate[accepted], found.other[~mated], never)


def tpir_at_fpir(curve: curves.Roc, fpir: float, choice: curves.Choice = "at_most") -> dict[str, Any]:
    """The largest TPIR with FPIR <= fpir, or at the nearest."""
    answer = curves.tar_at_far(curve, fpir, choice)
    note = answer["note"]
    renamed = {"far": "fpir", "impostors": "non_mated", "tar": "tpir", "false_accepts": "false_positives"}
    told = {renamed.get(name, name): value for name, value in answer.items()}
    return {
        **told,
        "note": note and note.replace("FAR", "FPIR").replace("impostor pairs", "non-mated probes"),
    }


def measured(
    found: Found, ranks: Sequence[int], fpirs: Sequence[float], open_rank: int = 1
) -> dict[str, Any]:
    """CMC of one gallery's mated probes, and TPIR at FPIR where some have no mate in it."""
    curve = open_set(found, open_rank) if not found.mated.all() else None
    return {
        "gallery": found.gallery,
        "mated": int(found.mated.sum()),
        "non_mated": int((~found.mated).sum()),
        "cmc": cmc(found, ranks),
        "tpir": [] if curve is None else [tpir_at_fpir(curve, fpir) for fpir in fpirs],
    }


def mean(each: list[dict[str, Any]], ranks: Sequence[int], fpirs: Sequence[float]) -> dict[str, Any]:
    """Means over galleries (IJB: 1 and 2) of what `measured` gave; None where one has no such number."""

    def over(values: Iterator[float | None]) -> float | None:
        known = list(values)
        return None if any(value is None for value in known) else float(np.mean(np.asarray(known, float)))

    tpir = [
        {"fpir": fpir, "tpir": over(one["tpir"][k]["tpir"] if one["tpir"] else None for one in each)}
        for k, fpir in enumerate(fpirs)
    ]
    return {"cmc": {int(k): over(one["cmc"][k] for one in each) for k in ranks}, "tpir": tpir}
