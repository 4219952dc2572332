"""Templates, searches and splits as tables, one a benchmark and protocol: measures by models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.report.gather import Results

Key = tuple[str, str, str]  # list, measure, at what


@dataclass(frozen=True)
class Cell:
    """One number, None where it could not be told, its interval, and what is to be said of it."""

    value: float | None
    low: float | None = None
    high: float | None = None
    remarks: Sequence[str] = ()


@dataclass
class Table:
    """One protocol on one benchmark."""

    benchmark: str
    lines: list[tuple[str, str, dict[str, Cell]]] = field(
        default_factory=list
    )  # list, measure, model -> cell
    untold: list[str] = field(default_factory=list)  # what no model has a number of


def templates(results: Results) -> list[Table]:
    """TAR at FAR of pairs of templates, rank 1 and TPIR at FPIR over their galleries."""
    return _tables(results, "templates", template_cells)


def searches(results: Results) -> list[Table]:
    """Rank 1 among distractors, TPIR at FPIR of open sets, TAR at FAR of both."""
    return _tables(results, "searches", search_cells)


def splits(results: Results) -> list[Table]:
    """TAR at FAR of all pairs and TPIR at FPIR, mean minus standard deviation over splits."""
    return _tables(results, "blufr", split_cells)


def classes(results: Results) -> list[Table]:
    """Top-k and balanced accuracy of images in the classes that a model learnt."""
    return _tables(results, "classification", class_cells)


def _tables(
    results: Results, protocol: str, cells: Callable[[Mapping[str, Any]], Iterator[tuple[Key, Cell]]]
) -> list[Table]:
    found: dict[str, dict[Key, dict[str, Cell]]] = {}
    for model in results.evaluated():
        metrics = results.metrics("evaluate", model.name).get(protocol, {})
        for benchmark, numbers in metrics.get("benchmarks", {}).items():
            lines = found.setdefault(benchmark, {})
            for key, cell in cells(numbers):
                lines.setdefault(key, {})[model.name] = cell
    return [_table(benchmark, lines) for benchmark, lines in found.items() if lines]


def _table(benchmark: str, lines: Mapping[Key, dict[str, Cell]]) -> Table:
    """Lines that have a number; of the others what they would have told."""
    table, untold = Table(benchmark), dict[str, list[str]]()
    for (name, measure, at), cells in lines.items():
        if any(cell.value is not None for cell in cells.values()):
            table.lines.append((name, f"{measure} {at}".strip(), cells))
        else:
            untold.setdefault(f"{name}, {measure}", []).append(at)
    table.untold = [f"{what} {', '.join(rates)}" for what, rates in untold.items()]
    return table


def template_cells(numbers: Mapping[str, Any]) -> Iterator[tuple[Key, Cell]]:
    """Of one model on one benchmark."""
    for name, values in numbers["verification"].items():
        if accuracy := values.get("accuracy"):
            cell = Cell(accuracy["mean"], accuracy["low"], accuracy["high"])
            yield (words(name), "accuracy", f"over {len(values['fold_accuracy'])} folds"), cell
        for tar in values["tar_at_far"]:
            yield (words(name), "TAR at FAR", f"{tar['far']:g}"), _tar(tar)
    for name, values in numbers["identification"].items():
        galleries = list(values["galleries"].values())
        title = f"{words(name)}, {len(galleries)} galler{'y' if len(galleries) == 1 else 'ies'}"
        measure, cell = ranked(values["mean"]["cmc"], *ends_of(values["mean"]))
        yield (title, measure, ""), cell
        for place, tpir in enumerate(values["mean"]["tpir"]):
            each = [gallery["tpir"][place] for gallery in galleries if gallery["tpir"]]
            remarks = few(all(one["supported"] for one in each), "probes")
            cell = Cell(tpir["tpir"], tpir.get("low"), tpir.get("high"), remarks)
            yield (title, "TPIR at FPIR", f"{tpir['fpir']:g}"), cell


def search_cells(numbers: Mapping[str, Any]) -> Iterator[tuple[Key, Cell]]:
    """Of one model on one benchmark."""
    for name, ways in numbers["lists"].items():
        for row in ways.get("among_distractors", {}).get("cmc", []):
            cmc = {key: share for key, share in row.items() if key.startswith("rank_")}
            measure, cell = ranked(cmc, row.get("low", {}), row.get("high", {}))
            yield (words(name), f"{measure},", f"{row['distractors']:,} distractors"), cell
        for tar in ways.get("among_distractors", {}).get("tar_at_far", []):
            yield (words(name), "TAR among distractors at FAR", f"{tar['far']:g}"), _tar(tar)
        if "in_gallery" in ways:
            found = ways["in_gallery"]
            measure, cell = ranked(found["cmc"], *ends_of(found))
            yield (words(name), f"{measure},", f"gallery of {found['gallery']:,}"), cell
            for tpir in found["tpir"]:
                key = words(name), f"TPIR{found['open_rank']} at FPIR", f"{tpir['fpir']:g}"
                remarks = few(tpir["supported"], "probes")
                yield key, Cell(tpir["tpir"], tpir.get("low"), tpir.get("high"), remarks)
            for tar in found.get("tar_at_far", []):
                yield (words(name), "TAR in the gallery at FAR", f"{tar['far']:g}"), _tar(tar)


def _tar(tar: Mapping[str, Any]) -> Cell:
    return Cell(tar["tar"], tar.get("low"), tar.get("high"), few(tar["supported"], "impostors"))


def split_cells(numbers: Mapping[str, Any]) -> Iterator[tuple[Key, Cell]]:
    """Of one model on one benchmark."""
    for name, found in numbers["lists"].items():
        title = f"{words(name)}, {found['splits']} splits"
        for tar in found["tar_at_far"]:
            yield (title, "TAR at FAR", f"{tar['far']:g}"), _fused(tar, "impostors")
        for tpir in found["tpir_at_fpir"]:
            measure = "TPIR at FPIR" if found["rank"] == 1 else f"TPIR{found['rank']} at FPIR"
            yield (title, measure, f"{tpir['fpir']:g}"), _fused(tpir, "probes")


def class_cells(numbers: Mapping[str, Any]) -> Iterator[tuple[Key, Cell]]:
    """Of one model on one benchmark; none where it has no classifier, or one of other classes."""
    if "top" in numbers:
        title = f"{numbers['images']:,} images, {numbers['classes']} classes"
        for top in numbers["top"]:
            yield (title, f"top {top['k']}", ""), Cell(top["share"], top["low"], top["high"])
        yield (title, "top 1, mean of the classes", ""), Cell(numbers["balanced"])


def _fused(rate: Mapping[str, Any], what: str) -> Cell:
    """Mean minus standard deviation, and of what it is made."""
    if rate["mean"] is None:
        return Cell(None)
    made = f"{100 * rate['mean']:.1f} - {100 * rate['std']:.1f}"
    remarks = [made, *few(rate["supported"], what)]
    return Cell(rate["mean_minus_std"], rate.get("low"), rate.get("high"), remarks)


def ends_of(numbers: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Where the intervals of a CMC begin and end."""
    return numbers.get("cmc_low", {}), numbers.get("cmc_high", {})


def ranked(
    cmc: Mapping[str, float | None], low: Mapping[str, Any], high: Mapping[str, Any]
) -> tuple[str, Cell]:
    """The first rank of a CMC as a measure and its cell, the other ranks as remarks."""
    (first, share), *others = sorted(cmc.items(), key=lambda item: int(item[0].removeprefix("rank_")))
    rest = [f"{words(name)}: {100 * value:.1f}" for name, value in others if value is not None]
    return words(first), Cell(share, low.get(first), high.get(first), rest)


def words(name: str) -> str:
    return name.replace("_", " ")


def few(supported: bool, what: str) -> list[str]:
    return [] if supported else [f"few {what}"]
