"""The card of an exported model: what it is, takes and gives, learned from, measured; where its use ends.

A card is plain JSON, made once from what other stages found, and its page is made of nothing but it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline import geometry
from pipeline.model import ModelSpec
from pipeline.report import fairness, html
from pipeline.report.identification import Cell, few, search_cells, split_cells, template_cells, words

Facts = dict[str, Any]
DRAWN = "synthetic"  # the source whose faces are drawn
NOT_ON_PEOPLE = (
    "It has seen drawn faces only, and was measured on drawn faces only. It is not fit for use on people: "
    "nobody knows how it errs on them. Use it to try out the pipeline, to compare methods and to teach."
)
PARTLY_DRAWN = (
    "Some of the faces that it learned from or was measured on are drawn: what holds of them need not hold "
    "of people. Measure it on photographs of the people it is meant for before it is used on anybody."
)
ON_PEOPLE = (
    "It is for comparing two faces that are cropped as said above. It was measured on the benchmarks below "
    "and nowhere else: measure it on your own photographs before you rely on it."
)
ALWAYS = (
    "It tells how alike two faces are, not who somebody is. No decision about a person should rest on it "
    "alone.",
    "A threshold holds for the faces that it was chosen on: choose one on your own, at the rate of false "
    "matches that you can bear.",
    "Embeddings of people are biometric data: keep them as such.",
)
UNEQUAL = "It does not err equally often on everybody: hold the worst of the cohorts below against your need."
UNKNOWN_COHORTS = "How its errors differ between groups of people was not measured."


def describe(
    spec: ModelSpec,
    *,
    contract: Facts,
    cost: Facts,
    export: Facts,
    catalogue: Mapping[str, Mapping[str, Any]],
    overlap: Facts,
    evaluated: Facts,
    benchmarks: Sequence[str],
) -> Facts:
    """The card. `contract` says what goes in, `catalogue` is the params' datasets, `overlap` and `evaluated`
    are metrics; `cost` and `export` are told as they are."""
    learned = [_dataset(name, catalogue, overlap) for name in spec.trained_on]
    cohorts = list(_cohorts(evaluated))
    drawn = [row["source"] == DRAWN for row in learned]
    drawn += [catalogue.get(name, {}).get("source") == DRAWN for name in benchmarks]
    return {
        "model": {"name": spec.name, **architecture(spec), **cost},
        "input": contract,
        "output": {
            "name": "embedding",
            "type": "float32",
            "shape": ["batch", cost["embedding"]],
            "compare": COSINE,
        },
        "training": {
            "datasets": learned,
            "teacher": spec.teacher,
            "epochs": spec.epochs,
            **_audit(spec, learned, evaluated, overlap.get("false_match_rate")),
        },
        "results": list(_results(evaluated)),
        "cohorts": cohorts,
        "export": export,
        "limits": limits(drawn, spec.auditable, bool(cohorts)),
        "take_in": take_in(spec.name, spec.size, cost["embedding"]),
    }


COSINE = "not normalised; two faces are as alike as the cosine of their embeddings"


def architecture(spec: ModelSpec) -> Facts:
    """The net in the words of params.yaml."""
    facts = {
        "backbone": spec.backbone,
        "shape": spec.shape,
        "conv": spec.conv,
        "conv_params": spec.conv_params,
    }
    side = spec.side
    return facts if side is None else {**facts, "landmark": {"net": side.backbone, "shape": side.shape}}


def contract(size: int, about: Mapping[str, Any]) -> Facts:
    """What goes in; `about` is what a cropped dataset says of itself."""
    aligned = about.get("method") == "aligned"
    points = [[round(float(v), 2) for v in at] for at in geometry.template(size)] if aligned else None
    return {
        "name": "image",
        "type": "float32",
        "shape": ["batch", 3, size, size],
        "colour": "RGB",
        "range": "pixels as they are, 0 to 255: the normalisation is inside",
        "crop": {"method": about.get("method"), "margin": about.get("margin"), "landmarks": points},
    }


def in_a_line(given: Facts) -> str:
    """What goes in, for those who have the file alone."""
    crop = f"{given['crop']['method'] or 'cropped'} faces"
    return f"{crop}, {given['type']} {given['shape']}, {given['colour']}, {given['range']}".replace("'", "")


def take_in(name: str, size: int, dim: int) -> str:
    """Lines of params.yaml with which this project takes the export in, to measure it or to learn from it."""
    preset = f"{{image_size: {size}, mean: {[0.0] * 3}, std: {[1.0] * 3}, divide: 1.0, dim: {dim}}}"
    return (
        f"foreign:\n  {name}_onnx: {{weights: data/raw/{name}.onnx, preset: {name}_onnx}}\n"
        f"backbones:\n  foreign:\n    {name}_onnx: {preset}\n"
    )


def limits(drawn: Sequence[bool], auditable: bool, cohorts: bool) -> list[str]:
    """Where its use ends, the weightiest first; `drawn` says it of each dataset that it met."""
    only_drawn = bool(drawn) and all(drawn) and auditable
    first = NOT_ON_PEOPLE if only_drawn else PARTLY_DRAWN if any(drawn) else ON_PEOPLE
    return [first, UNEQUAL if cohorts else UNKNOWN_COHORTS, *ALWAYS]


def _dataset(name: str, catalogue: Mapping[str, Mapping[str, Any]], overlap: Facts) -> Facts:
    """One dataset that it learned from, and what was removed of it; None stands for what nobody knows."""
    counts = overlap.get("removed", {}).get(name, {})
    known = bool(counts.get("people"))
    return {
        "dataset": name,
        "source": catalogue.get(name, {}).get("source"),
        "faces": counts["faces"] - counts["removed_faces"] if counts else None,
        "people": counts["people"] - counts["removed_people"] if known else None,
        "removed_faces": counts.get("removed_faces"),
        "removed_people": counts["removed_people"] if known else None,
        "expected_false_removals": counts.get("expected_false_removals"),
    }


def _audit(spec: ModelSpec, learned: Sequence[Facts], evaluated: Facts, rate: Any) -> Facts:
    """Whether people of the benchmarks could be searched for among what it learned from."""
    told = "people of the benchmarks were searched for among the faces that it learned from, and removed"
    if rate == "none":
        told = "copies of the benchmarks' images were searched for among what it learned from, but nobody"
    elsewhere = [row["dataset"] for row in learned if row["faces"] is None]
    if elsewhere:
        told += f", but nobody searched {', '.join(elsewhere)}"
    return {"auditable": spec.auditable, "audit": told if spec.auditable else evaluated["audit"]}


def _results(evaluated: Facts) -> Iterator[Facts]:
    """Every number of every benchmark, with its interval where it has one."""
    readers = {"pairs": pair_cells, "templates": template_cells, "searches": search_cells}
    readers |= {"blufr": split_cells}
    for protocol, read in readers.items():
        for benchmark, numbers in evaluated.get(protocol, {}).get("benchmarks", {}).items():
            for (name, measure, at), cell in read(numbers):
                if cell.value is not None:
                    yield {
                        "benchmark": benchmark,
                        "list": name,
                        "measure": f"{measure} {at}".strip(),
                        **_told(cell),
                    }


def pair_cells(numbers: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], Cell]]:
    """Accuracy and TAR at FAR of the lists of pairs of one benchmark."""
    for name, found in numbers.items():
        accuracy = found["accuracy"]
        yield (words(name), "accuracy", ""), Cell(accuracy["mean"], accuracy["low"], accuracy["high"])
        for tar in found["tar_at_far"]:
            cell = Cell(tar["tar"], tar.get("low"), tar.get("high"), few(tar["supported"], "impostors"))
            yield (words(name), "TAR at FAR", f"{tar['far']:g}"), cell


def _cohorts(evaluated: Facts) -> Iterator[Facts]:
    """Errors of cohorts, of benchmarks whose faces have attributes."""
    for benchmark, numbers in evaluated.get("fairness", {}).get("benchmarks", {}).items():
        if "attributes" in numbers:
            for (attribute, measure), cell in fairness.cells(numbers):
                yield {"benchmark": benchmark, "list": attribute, "measure": measure, **_told(cell)}


def _told(cell: Cell) -> Facts:
    return {"value": cell.value, "low": cell.low, "high": cell.high, "remarks": list(cell.remarks)}


def page(card: Facts) -> str:
    """The card as one HTML page."""
    return html.render("card.html.j2", card)
