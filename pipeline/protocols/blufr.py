"""All pairs of the faces of several splits, and an open set in each: the way of BLUFR on LFW.

    result = mean over splits - standard deviation (of a sample)

of the largest TAR with FAR <= x over all pairs of a split's faces, and of the largest TPIR with FPIR <= x of
its probes in its gallery, a mate up to `rank` counting (the authors' DIR). A rate that one split can't tell
has no result. A face that was set aside is left out; with a gallery face that was, its person's probes leave
the open set, else these would count as strangers. Too many absent faces are an error.
(https://doi.org/10.1109/BTAS.2014.6996301)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from pipeline.protocols import Bench, Result
from pipeline.protocols import _templates as listed
from pipeline.records import Dataset
from pipeline.strict import Strict

Rate = Annotated[float, Field(gt=0, le=1)]
NONE = "no benchmark has splits of which all pairs are compared"
KEPT = 20  # names of missing faces that a result lists


class SplitListError(ValueError):
    """Splits that name a face twice, in no known role or of two people, or too many absent faces."""


class Params(Strict):
    flip: Literal["concat", "sum", "none"] = "sum"  # how an image and its mirror image make one vector
    fars: list[Rate] = Field([1e-3, 1e-4, 1e-5], min_length=1)  # false-accept rates over all pairs
    fpirs: list[Rate] = [1e-1, 1e-2]  # false-alarm rates of the open set  # noqa: RUF012
    rank: int = Field(1, ge=1)  # up to which a mate counts as found
    bootstrap: int = Field(1000, ge=0)  # draws of the intervals, 0 for none
    missing: float = Field(0.01, ge=0, le=1)  # share of a list's faces that may be absent


@dataclass(frozen=True)
class Blufr:
    """Every list of splits of every benchmark; fields as in `Params`."""

    flip: str
    fars: list[float]
    fpirs: list[float]
    rank: int
    bootstrap: int
    missing: float

    def evaluate(self, bench: Bench) -> Result:
        return listed.joined(bench, self._benchmark, self.settings(), NONE)

    def _benchmark(self, bench: Bench, dataset: str, data: Dataset) -> Result | None:
        splits = listed.table(data.lists(), "splits")
        if splits.empty:
            return None
        result, tables, draws = Result({"lists": {}}), [], []
        for name, rows in splits.groupby("protocol", sort=True):
            kept, told = usable(dataset, str(name), rows, data, self.missing)
            found = bench.exhaust(
                dataset,
                kept,
                flip=self.flip,
                fars=self.fars,
                fpirs=self.fpirs,
                rank=self.rank,
                bootstrap=self.bootstrap,
            )
            result.metrics["lists"][str(name)] = {**found.metrics, **told}
            result.curves[str(name)] = found.curve
            tables.append(found.rates.assign(protocol=str(name)))
            draws.append(found.draws.assign(protocol=str(name)))
        result.tables["split_rates"] = pd.concat(tables, ignore_index=True)
        result.tables["split_draws"] = pd.concat(draws, ignore_index=True)
        return result

    def settings(self) -> dict[str, Any]:
        """What a reader must know to compare these numbers with others."""
        return {
            **asdict(self),
            "interval": listed.interval(self.bootstrap),
            "result": "mean over splits minus standard deviation (of a sample)",
            "tar_at_far": "largest TAR with FAR <= x, all pairs of a split",
            "tpir_at_fpir": f"largest TPIR with FPIR <= x, mates up to rank {self.rank}",
        }


def usable(
    dataset: str, name: str, rows: pd.DataFrame, data: Dataset, limit: float
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """(rows whose face is there, what is left out); refused beyond the share `limit` or where rows err."""
    where = f"benchmark {dataset!r}, list {name!r}"
    _check(where, rows)
    there = rows["sample_id"].isin(data.frame(["sample_id"])["sample_id"])
    absent = sorted(set(rows["sample_id"][~there]))
    if (~there).sum() > limit * len(rows):
        reasons = data.set_aside().set_index("sample_id")["reason"].to_dict()
        told = "; ".join(f"{face}: {reasons.get(face, 'not in the dataset')}" for face in absent[:5])
        raise SplitListError(
            f"{where}: {int((~there).sum())} of {len(rows)} faces of its splits are missing"
            f" (allowed: {limit:.1%}), {len(absent)} in all: {told}"
        )
    lost = _without_mate(rows, there)
    kept = rows.assign(role=rows["role"].where(~lost, "none"))[there]
    left = {"missing_faces": absent[:KEPT], "missing_rows": int((~there).sum())}
    return kept, {**left, "probes_left_out": int((lost & there).sum())}


def _check(where: str, rows: pd.DataFrame) -> None:
    """Raise if a face stands twice in a split, is neither gallery nor probe, or is of two people."""
    wrong = {
        "stands twice in": rows.duplicated(["split", "sample_id"]),
        "is neither gallery nor probe in": ~rows["role"].isin(["gallery", "probe"]),
        "is of another person than before in": rows["identity"]
        != rows.groupby("sample_id")["identity"].transform("first"),
    }
    for what, found in wrong.items():
        if found.any():
            row = rows[found].iloc[0]
            told = f"{row['sample_id']} {what} split {row['split']} ({int(found.sum())} such rows)"
            raise SplitListError(f"{where}: {told}")


def _without_mate(rows: pd.DataFrame, there: pd.Series) -> pd.Series:
    """Probes whose person had a face in the split's gallery, and has none left."""
    own = rows["split"].astype(str) + " " + rows["identity"]
    gallery = rows["role"] == "gallery"
    gone = set(own[gallery]) - set(own[gallery & there])
    return own.isin(gone) & ~gallery


def build(params: Params) -> Blufr:
    return Blufr(
        flip=params.flip,
        fars=sorted(params.fars, reverse=True),
        fpirs=sorted(params.fpirs, reverse=True),
        rank=params.rank,
        bootstrap=params.bootstrap,
        missing=params.missing,
    )
