"""Every pair of a set of faces, a tile of the product at a time; BLUFR's ten splits of them.

    genuine and impostor scores  <z_i, z_j> for all i < j, to a streaming ROC
    BLUFR   mean over splits - standard deviation (of a sample, as the authors' code), of TAR at FAR over all
            pairs of a split's test faces, and of the detection and identification rate at a false-alarm rate

(BLUFR: https://doi.org/10.1109/BTAS.2014.6996301; its DIR at FAR is TPIR at FPIR with rank r.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float

from pipeline.evaluate import identify
from pipeline.evaluate.streaming import KEEP, StreamingRoc

BYTES = 64 * 2**20  # of scores of a tile


def all_pairs(
    unit: Float[np.ndarray, "n d"], people: npt.NDArray[Any], into: StreamingRoc, size: int = BYTES
) -> None:
    """Adds the scores of all pairs of rows; tiles of at most `size` bytes (one score at least)."""
    code, _ = pd.factorize(np.asarray(people))
    if (code < 0).any():
        raise ValueError(f"row {int(np.argmax(code < 0))} has no identity: its pairs are of no kind")
    if (code[1:] < code[:-1]).any():  # one person's rows together: few tiles hold both kinds
        order = np.argsort(code, kind="stable")
        unit, code = unit[order], code[order]
    side = max(1, int(np.sqrt(size / 4)))
    for top in range(0, len(unit), side):
        rows = slice(top, min(top + side, len(unit)))
        for left in range(top, len(unit), side):
            columns = slice(left, min(left + side, len(unit)))
            scores = unit[rows] @ unit[columns].T
            if code[rows][-1] < code[columns][0]:
                into.impostors.add(scores)
                continue
            same = code[rows][:, None] == code[columns][None]
            once = np.triu(np.ones(scores.shape, bool), 1) if top == left else np.ones(scores.shape, bool)
            into.add(scores[once], same[once])


@dataclass(frozen=True)
class Split:
    """Rows of one of BLUFR's splits; gallery and probes are parts of the test faces."""

    test: npt.NDArray[np.int64]
    gallery: npt.NDArray[np.int64]
    probes: npt.NDArray[np.int64]


def blufr(
    unit: Float[np.ndarray, "n d"],
    people: npt.NDArray[Any],
    splits: Sequence[Split],
    fars: Sequence[float],
    fpirs: Sequence[float] = (0.01,),
    rank: int = 1,
    keep: int = KEEP,
) -> dict[str, Any]:
    """TAR at each FAR and TPIR at each FPIR: of every split, mean, standard deviation and difference."""
    if len(splits) < 2:
        raise ValueError(f"{len(splits)} split: mean minus standard deviation needs two or more")
    people = np.asarray(people)
    each: list[dict[str, Any]] = []
    for split in splits:
        state = StreamingRoc(keep)
        all_pairs(unit[split.test], people[split.test], state)
        where = split.probes, split.gallery
        found = identify.search(unit[where[0]], people[where[0]], unit[where[1]], people[where[1]])
        curve = identify.open_set(found, rank)
        each.append(
            {
                "genuine": state.genuine.count,
                "impostors": state.impostors.count,
                "tar_at_far": [state.tar_at_far(far) for far in fars],
                "tpir_at_fpir": [identify.tpir_at_fpir(curve, fpir) for fpir in fpirs],
            }
        )
    tars = [{"far": x, **_over(each, "tar_at_far", k, "tar")} for k, x in enumerate(fars)]
    tpirs = [{"fpir": x, **_over(each, "tpir_at_fpir", k, "tpir")} for k, x in enumerate(fpirs)]
    return {"tar_at_far": tars, "tpir_at_fpir": tpirs, "rank": rank, "splits": each}


def _over(each: list[dict[str, Any]], table: str, row: int, name: str) -> dict[str, float | None]:
    values = [one[table][row][name] for one in each]
    if any(value is None for value in values):
        return {"mean": None, "std": None, "mean_minus_std": None}
    mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
    return {"mean": mean, "std": std, "mean_minus_std": mean - std}
