"""Every pair of a set of faces, a tile of the product at a time; BLUFR's ten splits of them.

    genuine and impostor scores  <z_i, z_j> for all i < j, to a streaming ROC
    BLUFR   mean over splits - standard deviation (of a sample, as the authors' code), of TAR at FAR over all
            pairs of a split's test faces, and of the detection and identification rate at a false-alarm rate

(BLUFR: https://doi.org/10.1109/BTAS.2014.6996301; its DIR at FAR is TPIR at FPIR with rank r.) Against the
toolkit's EvalROC.m and OpenSetROC.m, translated, on LFW's own splits (471.6 million pairs, embeddings at
random): equal at FAR 1e-3, 1.0e-4 higher at 1e-5, DIR 7.7e-4 higher at 1 %. The toolkit's threshold is the
score of impostor round(x N) from above, ours lies just above that of the next one after floor(x N).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float

from pipeline.evaluate import curves, identify, spread
from pipeline.evaluate.streaming import KEEP, StreamingRoc
from pipeline.evaluate.tiles import BYTES, sorted_people, tiles
from pipeline.protocols import Exhausted


def all_pairs(
    unit: Float[np.ndarray, "n d"], people: npt.NDArray[Any], into: StreamingRoc, size: int = BYTES
) -> None:
    """Adds the scores of all pairs of rows; tiles of at most `size` bytes (one score at least)."""
    unit, code, _ = sorted_people(unit, people)
    for tile in tiles(unit, code, size):
        if tile.same is None:
            into.impostors.add(tile.scores)
        else:
            into.add(tile.scores[tile.once], tile.same[tile.once])


@dataclass(frozen=True)
class Split:
    """Rows of one of BLUFR's splits; gallery and probes are parts of the test faces."""

    test: npt.NDArray[np.int64]
    gallery: npt.NDArray[np.int64]
    probes: npt.NDArray[np.int64]


def splits(faces: pd.DataFrame, ids: Sequence[str]) -> tuple[list[Split], npt.NDArray[Any]]:
    """The splits of `faces` (split, role, identity, sample_id) as rows of `ids`, and whose each row is.

    What is neither gallery nor probe is a test face alone.
    """
    rows = faces.assign(row=pd.Index(ids).get_indexer(pd.Index(faces["sample_id"])))
    people = np.full(len(ids), None, object)
    people[rows["row"]] = rows["identity"]
    return [_split(part) for _, part in rows.groupby("split", sort=True)], people


def _split(rows: pd.DataFrame) -> Split:
    gallery, probes = (rows["row"][rows["role"] == role].to_numpy() for role in ("gallery", "probe"))
    return Split(rows["row"].to_numpy(), gallery, probes)


def blufr(
    unit: Float[np.ndarray, "n d"],
    people: npt.NDArray[Any],
    splits: Sequence[Split],
    fars: Sequence[float],
    fpirs: Sequence[float] = (0.01,),
    rank: int = 1,
    keep: int = KEEP,
    draws: int = 0,
    seed: int = 0,
) -> dict[str, Any]:
    """TAR at each FAR and TPIR at each FPIR: of every split, mean, standard deviation and difference.

    `curve` is the ROC of mean minus standard deviation, at the ends of the streaming ROC's bins; with `draws`
    each difference has its interval, and `draws` are those of all of them.
    """
    if len(splits) < 2:
        raise ValueError(f"{len(splits)} split: mean minus standard deviation needs two or more")
    people = np.asarray(people)
    each: list[dict[str, Any]] = []
    found: list[curves.Roc] = []
    drawn = spread.of(
        people[np.concatenate([split.test for split in splits])], fars, fpirs, rank, draws, seed
    )
    for split in splits:
        state = StreamingRoc(keep)
        all_pairs(unit[split.test], people[split.test], state)
        found.append(state.curve())
        sought = identify.search(
            unit[split.probes], people[split.probes], unit[split.gallery], people[split.gallery]
        )
        each.append({**_verified(state, fars), **_identified(sought, fpirs, rank)})
        drawn.add(unit[split.test], people[split.test], state, sought, people[split.probes])
    tars = [{"far": x, **_over(each, "tar_at_far", k, "tar")} for k, x in enumerate(fars)]
    tpirs = [{"fpir": x, **_over(each, "tpir_at_fpir", k, "tpir")} for k, x in enumerate(fpirs)]
    table = drawn.told(tars, tpirs)
    answer = {"tar_at_far": tars, "tpir_at_fpir": tpirs, "rank": rank, "splits": each}
    return {**answer, "curve": _fused(found), "draws": table}


def _verified(state: StreamingRoc, fars: Sequence[float]) -> dict[str, Any]:
    counts = {"genuine": state.genuine.count, "impostors": state.impostors.count}
    return {**counts, "tar_at_far": [state.tar_at_far(far) for far in fars]}


def _identified(found: identify.Found, fpirs: Sequence[float], rank: int) -> dict[str, Any]:
    """The open set of one split."""
    mated = int(found.mated.sum())
    curve = identify.open_set(found, rank)
    counts = {"gallery": found.gallery, "mated": mated, "non_mated": len(found.rank) - mated}
    return {**counts, "tpir_at_fpir": [identify.tpir_at_fpir(curve, fpir) for fpir in fpirs]}


def _over(each: list[dict[str, Any]], table: str, row: int, name: str) -> dict[str, Any]:
    """A rate over splits; none if a split has none, supported where all are."""
    rates = [one[table][row] for one in each]
    supported = all(rate["supported"] for rate in rates)
    if any(rate[name] is None for rate in rates):
        return {"mean": None, "std": None, "mean_minus_std": None, "supported": supported}
    values = [rate[name] for rate in rates]
    mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
    return {"mean": mean, "std": std, "mean_minus_std": mean - std, "supported": supported}


def _fused(found: Sequence[curves.Roc], points: int = 200) -> dict[str, list[float]]:
    """Mean minus standard deviation over splits of the largest TAR with FAR <= x, x from 1 / impostors on."""
    least = max(1 / curve.impostors for curve in found)
    far = np.append(0, np.logspace(np.log10(least), 0, points))
    tar = np.stack([curve.tar[np.searchsorted(curve.far, far, side="right") - 1] for curve in found])
    fused = np.clip(tar.mean(0) - tar.std(0, ddof=1), 0, None)
    return {"far": far.tolist(), "tar": fused.tolist()}


def told(found: dict[str, Any]) -> Exhausted:
    """What `blufr` gave as metrics, a table of the splits, and a curve."""
    each = found["splits"]
    counts = ("genuine", "impostors", "gallery", "mated", "non_mated")
    metrics = {key: found[key] for key in ("tar_at_far", "tpir_at_fpir", "rank")}
    metrics |= {"splits": len(each), **{name: [one[name] for one in each] for name in counts}}
    return Exhausted(metrics, table(each), found["curve"], found["draws"])


def table(each: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row a split and rate of `blufr`'s splits: measure, at, value, threshold, supported."""
    rows = [
        {"split": number, "measure": name, "at": rate[at], "value": rate[value]}
        | {"threshold": rate.get("threshold"), "supported": rate["supported"]}
        for number, one in enumerate(each)
        for name, at, value in (("tar_at_far", "far", "tar"), ("tpir_at_fpir", "fpir", "tpir"))
        for rate in one[name]
    ]
    kinds = {"at": float, "value": float, "threshold": float, "supported": bool}
    return pd.DataFrame(rows).astype(kinds)
