"""The card of an export: what is told of landmark nets, crops, datasets from elsewhere and measurements."""

from __future__ import annotations

from typing import Any

from pipeline import files
from pipeline.model import ModelSpec
from pipeline.report import card
from tests.report.conftest import LISTS, make_evaluation
from tests.report.test_page import Structure

EXPORT = {
    "bytes": 1000, "difference": 1e-7, "tolerance": 1e-5, "faces": 8, "dataset": "val", "opset": 17,
    "flops": 9, "batches": {"1": 1e-7, "64": 1e-8}, "sha256": "ab", "weights": {"weights.pt": "cd"},
    "versions": {"torch": "2"},
}  # fmt: skip
COST = {"parameters": 5, "flops": 7, "embedding": 128, "side_parameters": 3, "side_flops": 2}


def make(about: dict[str, Any] | None = None, evaluated: dict[str, Any] | None = None, **spec: Any) -> Any:
    side = ModelSpec(name="landmark", kind="landmark", backbone="fan", shape={"width": 8})
    return card.describe(
        ModelSpec(**{"name": "<b>x", "size": 64, "side": side, "trained_on": ["home"], **spec}),
        contract=card.contract(64, about or {}),
        cost=COST,
        export=EXPORT,
        catalogue={"home": {"source": "folder"}, "bench": {"source": "pairs"}},
        overlap={},
        evaluated=evaluated or {},
        benchmarks=["bench"],
    )


def test_every_number_of_pairs_is_told_with_its_interval(tmp_path: Any) -> None:
    make_evaluation(tmp_path, "x", 0.9)
    found = make(evaluated=files.read_json(tmp_path / "metrics/evaluate/x.json"))["results"]
    assert len(found) == 2 * len(LISTS), "what could not be told is left out"
    assert (found[0]["measure"], found[0]["low"], found[0]["high"]) == ("accuracy", 0.88, 0.91)
    assert found[1]["remarks"] == ["few impostors"]


def test_what_nobody_searched_is_said() -> None:
    assert make()["training"]["audit"].endswith("but nobody searched home")


def test_cohorts_that_were_not_measured_are_said() -> None:
    assert card.UNKNOWN_COHORTS in make()["limits"]


def test_the_landmark_net_and_a_crop_without_template_are_on_the_page() -> None:
    html = card.page(make({"method": "unaligned", "margin": 0.3}))
    Structure(html)
    assert "fan: width 8; it is inside the graph: 3 parameters" in html
    assert "the square around the box, margin 0.3" in html
    assert "&lt;b&gt;x" in html


def test_an_unknown_crop_is_no_error() -> None:
    assert "not told" in card.page(make())
    assert card.in_a_line(card.contract(64, {})).startswith("cropped faces, float32 [batch, 3, 64, 64], RGB")
