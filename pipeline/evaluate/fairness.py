"""Errors of cohorts at one global threshold, and errors over pose, age gap and blur, as tables.

    FMR of a cohort   share of impostor pairs with score >= t, both faces of that cohort
    FNMR of a cohort  share of genuine pairs with score < t, both faces of that cohort
    disparity         worst / best over cohorts (NIST FRVT part 3, https://doi.org/10.6028/NIST.IR.8280)

t is one threshold for everybody, chosen on all pairs (`curves.tar_at_far`). Intervals are 95 %, by the vertex
bootstrap of `pipeline.evaluate.intervals`. `supported` is False where a rate would be read off fewer than
FLAGGED errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Bool, Float

from pipeline.evaluate import curves, intervals
from pipeline.evaluate.curves import FLAGGED, checked

Mask = npt.NDArray[np.bool_]


def _rates(
    scores: npt.NDArray[Any],
    same: Mask,
    groups: Mapping[Any, Mask],
    threshold: float,
    people: intervals.Pairs | None,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """A row a group: pairs of each kind, FNMR and FMR with their intervals, whether they are supported."""
    if not groups:
        raise ValueError("no group of pairs: nothing to compare")
    scores, same = checked(scores, same)
    accepted = scores >= threshold
    masks = np.stack([np.asarray(mask, bool) for mask in groups.values()])
    rows: dict[str, Any] = {}
    kinds = (("genuine", "fnmr", same, ~accepted), ("impostors", "fmr", ~same, accepted))
    for name, rate, kind, wrong in kinds:
        within = masks & kind
        hit = within & wrong
        count, errors = within.sum(1), hit.sum(1)
        rows[name] = count
        rows[rate] = np.where(count > 0, errors / np.maximum(count, 1), np.nan)
        if people is not None and draws:
            sampled = intervals.share_draws(hit, within, people, draws, seed)
            ends = [intervals.interval(one) or (np.nan, np.nan) for one in sampled]
            rows[f"{rate}_low"], rows[f"{rate}_high"] = (np.asarray(ends)[:, side] for side in (0, 1))
        rows[f"{rate}_supported"] = errors >= FLAGGED
    return pd.DataFrame(rows, index=pd.Index(list(groups), name="group"))


def cohorts(
    scores: Float[np.ndarray, " pairs"],
    same: Bool[np.ndarray, " pairs"],
    first: npt.NDArray[Any],
    second: npt.NDArray[Any],
    threshold: float,
    people: intervals.Pairs | None = None,
    draws: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """Rates of each cohort; `first`, `second`: the cohort of a pair's two faces (missing: left out).

    The last row, `all`, is of every pair, of whatever cohorts: the rates that the threshold was chosen for.
    """
    groups = {name: (first == name) & (second == name) for name in _names(first, second)}
    groups = {**groups, "all": np.ones(len(same), bool)}
    return _rates(scores, same, groups, threshold, people, draws, seed).rename_axis("cohort")


def _names(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> list[Any]:
    return sorted(pd.unique(pd.Series(np.concatenate([first, second])).dropna()).tolist())


def disparity(table: pd.DataFrame, rate: str) -> dict[str, Any]:
    """Worst and best cohort of a table by `fmr` or `fnmr`, and their ratio: supported where both rates are.

    None where the best one made no error: then there is nothing to divide by, and more pairs are needed.
    """
    values = table.drop(index="all", errors="ignore")[rate].dropna()
    if len(values) < 2:
        raise ValueError(f"{rate} of {len(values)} cohorts: a ratio needs two")
    at = {"worst": int(values.to_numpy().argmax()), "best": int(values.to_numpy().argmin())}
    rows = {side: table.loc[[values.index[place]]].iloc[0] for side, place in at.items()}
    ratio = float(rows["worst"][rate] / rows["best"][rate]) if rows["best"][rate] > 0 else None
    apart = None
    if f"{rate}_low" in table:  # intervals that do not meet
        apart = bool(rows["worst"][f"{rate}_low"] > rows["best"][f"{rate}_high"])
    told = {side: values.index[place] for side, place in at.items()}
    supported = all(bool(row[f"{rate}_supported"]) for row in rows.values())
    return {"rate": rate, **told, "ratio": ratio, "apart": apart, "supported": supported}


def cross_matches(
    scores: Float[np.ndarray, " pairs"],
    same: Bool[np.ndarray, " pairs"],
    first: npt.NDArray[Any],
    second: npt.NDArray[Any],
    threshold: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(false-match rate, impostor pairs) of every two cohorts, symmetric; NaN where there is no pair."""
    scores, same = checked(scores, same)
    names = _names(first, second)
    index = pd.Index(names, name="cohort")
    a, b = index.get_indexer(pd.Index(first)), index.get_indexer(pd.Index(second))
    use = ~same & (a >= 0) & (b >= 0)
    low, high = np.minimum(a, b)[use], np.maximum(a, b)[use]
    cells, size = low * len(names) + high, len(names) ** 2
    counts = np.bincount(cells, minlength=size).reshape(len(names), len(names))
    errors = np.bincount(cells, scores[use] >= threshold, size).reshape(len(names), len(names))
    counts, errors = (values + np.triu(values, 1).T for values in (counts, errors))
    rate = np.where(counts > 0, errors / np.maximum(counts, 1), np.nan)
    return pd.DataFrame(rate, index, index), pd.DataFrame(counts, index, index)


def bins(values: Float[np.ndarray, " n"], edges: Sequence[float]) -> dict[str, Bool[np.ndarray, " n"]]:
    """Which values are in each bin, "0..15" and so on: low <= value < high, the last one its upper end too.

    `unknown` is of those that are NaN, `outside` of those beyond the edges; both only where there are some.
    """
    ends = np.asarray(edges, np.float64)
    if len(ends) < 2 or not (np.diff(ends) > 0).all():
        raise ValueError(f"edges {list(edges)}: two or more, rising")
    values = np.asarray(values, np.float64)
    place = np.searchsorted(ends, values, "right") - 1
    place[values == ends[-1]] = len(ends) - 2
    inside = (place >= 0) & (place < len(ends) - 1)
    groups = {
        f"{low:g}..{high:g}": inside & (place == number) for number, (low, high) in enumerate(pairwise(ends))
    }
    rest = {"outside": ~inside & ~np.isnan(values), "unknown": np.isnan(values)}
    return groups | {name: mask for name, mask in rest.items() if mask.any()}


def by_bins(
    scores: Float[np.ndarray, " pairs"],
    same: Bool[np.ndarray, " pairs"],
    values: Float[np.ndarray, " pairs"],
    edges: Sequence[float],
    threshold: float,
    people: intervals.Pairs | None = None,
    draws: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """Rates over a quantity of pairs (difference of yaw in degrees, age gap in years, sharpness as the
    variance of the Laplacian).

    A row a bin of `bins`.
    """
    groups = bins(values, edges)
    return _rates(scores, same, groups, threshold, people, draws, seed).rename_axis("bin")


def measured(
    scored: pd.DataFrame,
    described: pd.DataFrame,
    attributes: Sequence[str],
    far: float,
    yaw_edges: Sequence[float],
    draws: int,
    seed: int,
    age_edges: Sequence[float] = (),
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Everything of one list, at the threshold of its TAR at FAR `far`: numbers, and rows of false matches.

    `scored`: a, b, same, score, person_a, person_b; `described`: by sample id, codes of `attributes`
    (negative: unknown), yaw_degrees and, where they are known, age (years) and sharpness. Cohorts go by their
    codes. Where the impostors can't tell a rate of `far` there is a note alone.
    """
    scores, same = scored["score"].to_numpy(np.float64), scored["same"].to_numpy(bool)
    people = intervals.Pairs(scored["person_a"].to_numpy(), scored["person_b"].to_numpy(), same)
    chosen = curves.tar_at_far(curves.roc(scores, same), far)
    if chosen["tar"] is None:
        return {"note": f"{(~same).sum()} impostor pairs can't tell a rate of {far:g}"}, CROSSED
    threshold = chosen["threshold"]
    first, second = (described.reindex(scored[side]) for side in ("a", "b"))
    found, crossed = {}, [CROSSED]
    for name in attributes:
        a, b = (side[name].where(side[name] >= 0).to_numpy() for side in (first, second))
        table = cohorts(scores, same, a, b, threshold, people, draws, seed)
        found[name] = {"cohorts": told(table), **{rate: _apart(table, rate) for rate in ("fmr", "fnmr")}}
        crossed.append(_crossed(name, *cross_matches(scores, same, a, b, threshold)))
    numbers = {"far": far, "threshold": threshold, "pairs": len(scores), "attributes": found}
    numbers["supported"] = chosen["supported"]  # False: fewer than ten false accepts set the threshold
    for name, (values, edges) in quantities(first, second, yaw_edges, age_edges).items():
        numbers[name] = told(by_bins(scores, same, values, edges, threshold, people, draws, seed))
    return numbers, pd.concat(crossed, ignore_index=True)


def quantities(
    first: pd.DataFrame, second: pd.DataFrame, yaw_edges: Sequence[float], age_edges: Sequence[float]
) -> dict[str, tuple[npt.NDArray[np.float64], Sequence[float]]]:
    """What pairs are binned by, and the ends of the bins: yaw and age apart, sharpness of the blurrier face.

    Bins of sharpness hold a fifth of the pairs each. A quantity that no pair has is left out, but for yaw.
    """

    def known(column: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        nothing = pd.Series(np.nan, first.index)
        a, b = (np.asarray(side.get(column, nothing), np.float64) for side in (first, second))
        return a, b

    yaws, ages, sharp = (known(column) for column in ("yaw_degrees", "age", "sharpness"))
    found = {"yaw_apart": (np.abs(yaws[0] - yaws[1]), yaw_edges)}
    gap, blurrier = np.abs(ages[0] - ages[1]), np.minimum(*sharp)
    if len(age_edges) > 1 and np.isfinite(gap).any():
        found["age_gap"] = gap, age_edges
    edges = fifths(blurrier)
    if len(edges) > 1:
        found["sharpness"] = blurrier, edges
    return found


def fifths(values: Float[np.ndarray, " n"]) -> list[float]:
    """Where each fifth of the values begins, and the last one's end, in three digits; NaN have no place."""
    values = values[np.isfinite(values)]
    if not len(values):
        return []
    ends = np.quantile(values, np.linspace(0, 1, 6))
    digit = 10.0 ** (np.floor(np.log10(np.maximum(np.abs(ends), 1e-9))) - 2)
    rounded = np.round(ends / digit) * digit
    rounded[0], rounded[-1] = (
        np.floor(ends[0] / digit[0]) * digit[0],
        np.ceil(ends[-1] / digit[-1]) * digit[-1],
    )
    return [float(f"{edge:.6g}") for edge in np.unique(rounded)]


CROSSED = pd.DataFrame(
    {"attribute": pd.Series(dtype=str), "first": pd.Series(dtype=int), "second": pd.Series(dtype=int)}
    | {"fmr": pd.Series(dtype=float), "impostors": pd.Series(dtype=int)}
)


def told(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Rows of a table by name, as JSON has them: None where there is no number."""
    rows = table.astype(object).where(table.notna(), None)
    names = [_name(name) for name in rows.index]
    return {
        name: {str(key): row[key] for key in row.index}
        for name, (_, row) in zip(names, rows.iterrows(), strict=True)
    }


def _name(group: Any) -> str:
    """Codes come as floats where some are unknown."""
    return f"{group:g}" if isinstance(group, float) else str(group)


def _apart(table: pd.DataFrame, rate: str) -> dict[str, Any] | None:
    """`disparity`, None where fewer than two cohorts have such pairs."""
    if table.drop(index="all")[rate].notna().sum() < 2:
        return None
    worst = disparity(table, rate)
    return worst | {side: _name(worst[side]) for side in ("worst", "best")}


def _crossed(attribute: str, rate: pd.DataFrame, count: pd.DataFrame) -> pd.DataFrame:
    """A row for every two cohorts of an attribute."""
    rows, columns = np.triu_indices(len(rate))
    codes = rate.index.to_numpy(int)
    return pd.DataFrame(
        {
            "attribute": attribute,
            "first": codes[rows],
            "second": codes[columns],
            "fmr": rate.to_numpy()[rows, columns],
            "impostors": count.to_numpy()[rows, columns],
        }
    )
