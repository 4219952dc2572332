"""Templates that lists name: their usable images, and what of a list is left once unusable ones are out.

A template without a usable image takes its pairs and searches with it; so does a gallery entry the probes
whose only mate it was, else these would count as strangers. What is left out is counted and named, more than
a share of a list is an error. Roles must be true of the templates' identities.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.protocols import Bench, Result
from pipeline.records import LISTS, Dataset

KEPT = 20  # names that a result lists, 5 of them in an error
ENROLLED = ("gallery", "distractor")  # roles in the gallery; those of probes: mated, unmated
# gallery_1 of templates_gallery_1, gallery_G1 and probe_mixed of ijbc_gallery_G1_probe_mixed
GALLERY = re.compile(r"(?P<protocol>.+)_gallery_(?P<gallery>[^_]+)(?P<probes>_.+)?")


class MissingTemplatesError(ValueError):
    """A list too many of whose templates have no usable image."""


class SearchListError(ValueError):
    """A list of searches whose roles contradict each other or the templates' identities."""


@dataclass(frozen=True)
class Members:
    """What the named templates of a benchmark are made of."""

    frame: pd.DataFrame  # template, identity, sample_id, media: a row a usable image
    identity: dict[str, str]  # of every template, usable or not
    told: dict[str, Any]  # counts of templates and images, and of those left out
    reasons: dict[str, str]  # template without a usable image -> why

    @property
    def usable(self) -> set[str]:
        return set(self.identity) - set(self.reasons)


Lists = Mapping[str, pa.Table]  # a dataset's tables of `records.LISTS`


def table(lists: Lists, name: str) -> pd.DataFrame:
    """The table of this name; empty if the dataset has none."""
    return lists.get(name, LISTS[name].empty_table()).to_pandas()


def members(dataset: str, data: Dataset, lists: Lists, named: pd.Series) -> Members:
    """Images of the named templates; those that were set aside are left out."""
    wanted = named.unique()
    rows = table(lists, "templates")
    rows = rows[rows["template"].isin(wanted)]
    absent = sorted(set(wanted) - set(rows["template"]))
    if absent:
        raise SearchListError(
            f"benchmark {dataset!r}: lists name the template {absent[0]}, of which its table of templates"
            f" says nothing ({len(absent)} of {len(wanted)} are such)"
        )
    identity = rows.groupby("template")["identity"]
    torn = identity.nunique().loc[lambda people: people > 1]
    if len(torn):
        raise SearchListError(
            f"benchmark {dataset!r}: the template {torn.index[0]} is of {torn.iloc[0]} people"
        )
    there = rows["sample_id"].isin(data.frame(["sample_id"])["sample_id"])
    bare = sorted(set(wanted) - set(rows["template"][there]))
    told = {
        "templates": len(wanted),
        "images": len(rows),
        "missing_images": int((~there).sum()),
        "missing_templates": len(bare),
        "missing_names": bare[:KEPT],
    }
    lost = rows[rows["template"].isin(bare)].drop_duplicates("template")
    why = data.set_aside().set_index("sample_id")["reason"].to_dict() if len(bare) else {}
    reasons = {
        template: f"{face}: {why.get(face, 'not in the dataset')}"
        for template, face in zip(lost["template"], lost["sample_id"], strict=True)
    }
    return Members(rows[there].reset_index(drop=True), dict(identity.first()), told, reasons)


def usable_pairs(
    dataset: str, name: str, pairs: pd.DataFrame, found: Members, limit: float
) -> tuple[pd.DataFrame, int]:
    """(pairs whose two templates are usable, how many are not)."""
    usable = found.usable
    there = (pairs["a"].isin(usable) & pairs["b"].isin(usable)).to_numpy(bool)
    _check(dataset, name, ~there, pd.concat([pairs["a"], pairs["b"]]), found, limit, "pairs")
    return pairs[there].reset_index(drop=True), int((~there).sum())


def usable_search(
    dataset: str, name: str, search: pd.DataFrame, found: Members, limit: float
) -> tuple[pd.DataFrame, int]:
    """(entries whose template is usable and, of mated probes, has a mate left; how many are not)."""
    _check_roles(dataset, name, search, found)
    there = search["template"].isin(found.usable).to_numpy(bool)
    person, role = search["template"].map(found.identity), search["role"]
    mates = set(person[there & (role == "gallery").to_numpy(bool)])
    there = there & ~((role == "mated") & ~person.isin(mates)).to_numpy(bool)
    _check(dataset, name, ~there, search["template"], found, limit, "entries")
    return search[there].reset_index(drop=True), int((~there).sum())


def _check(
    dataset: str,
    name: str,
    out: npt.NDArray[np.bool_],
    named: pd.Series,
    found: Members,
    limit: float,
    what: str,
) -> None:
    """Raise if more than the share `limit` of a list is left out: then the message says why."""
    if out.sum() <= limit * len(out):
        return
    bare = sorted(set(named) & set(found.reasons))
    told = "; ".join(f"{template} ({found.reasons[template]})" for template in bare[:5])
    raise MissingTemplatesError(
        f"benchmark {dataset!r}, list {name!r}: {int(out.sum())} of {len(out)} {what} miss a template"
        f" (allowed: {limit:.1%}), {len(bare)} templates have no usable image: {told}"
    )


def _check_roles(dataset: str, name: str, search: pd.DataFrame, found: Members) -> None:
    """Raise if a template stands twice, or its role is not what its person's other entries say."""
    where = f"benchmark {dataset!r}, list {name!r}"
    twice = search["template"][search["template"].duplicated()]
    if len(twice):
        raise SearchListError(f"{where}: the template {twice.iloc[0]} stands twice")
    person, role = search["template"].map(found.identity), search["role"]
    at_home = person.isin(set(person[role == "gallery"]))
    known = person.isin(set(person[~role.isin(["distractor"])]))
    wrong = {
        "mated, but nobody of its person is in the gallery": (role == "mated") & ~at_home,
        "unmated, but its person is in the gallery": (role == "unmated") & at_home,
        "a distractor, but its person has other entries": (role == "distractor") & known,
        "of no known role": ~role.isin([*ENROLLED, "mated", "unmated"]),
    }
    for what, rows in wrong.items():
        if rows.any():
            raise SearchListError(f"{where}: the template {search['template'][rows].iloc[0]} is {what}")


def galleries(pairs: Iterable[str], searches: Iterable[str]) -> dict[str, dict[str, str]]:
    """Searches in the galleries of lists of pairs: list (with its probe set) -> gallery -> search.

    A search is one of a list's galleries if it is named LIST_gallery_NAME or LIST_gallery_NAME_PROBES.
    """
    lists, found = set(pairs), dict[str, dict[str, str]]()
    for search in searches:
        named = GALLERY.fullmatch(search)
        if named and named["protocol"] in lists:
            key = named["protocol"] + (named["probes"] or "")
            found.setdefault(key, {})[f"gallery_{named['gallery']}"] = search
    return found


def joined(
    bench: Bench,
    benchmark: Callable[[Bench, str, Dataset], Result | None],
    settings: dict[str, Any],
    none: str,
) -> Result:
    """One result of every benchmark that has one; `none` is what it says where there are none."""
    every = {name: benchmark(bench, name, data) for name, data in bench.datasets.items()}
    parts = {name: part for name, part in every.items() if part is not None}
    found = {dataset: part.metrics for dataset, part in parts.items()}
    metrics = {"settings": settings, "benchmarks": found, **({} if parts else {"note": none})}
    tables: dict[str, list[pd.DataFrame]] = {}
    for dataset, part in parts.items():
        for name, rows in part.tables.items():
            tables.setdefault(name, []).append(rows.assign(benchmark=dataset))
    whole = {name: pd.concat(rows, ignore_index=True) for name, rows in tables.items()}
    curves, ranks = (
        {dataset: getattr(part, kind) for dataset, part in parts.items() if getattr(part, kind)}
        for kind in ("curves", "cmc")
    )
    return Result(metrics, whole, curves, cmc=ranks)


def interval(draws: int) -> str | None:
    """How intervals were made, for a reader; of searches those of probes, given the gallery."""
    return f"95 %, vertex bootstrap over people, {draws} draws; galleries are not drawn" if draws else None
