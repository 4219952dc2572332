"""Tables of templates and searches: which lines there are, and what is said of few impostors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import files
from pipeline.report import identification, page
from pipeline.report.gather import Results

MODELS = ("alone", "student")


def tar(far: float, value: float | None) -> dict[str, Any]:
    ends = {"low": None, "high": None} if value is None else {"low": value - 0.1, "high": value + 0.1}
    return {"far": far, "tar": value, "supported": far > 0.05, **ends}


def gallery(share: float, supported: bool = True) -> dict[str, Any]:
    tpir = {"fpir": 0.1, "tpir": share / 2, "supported": supported}
    ends = {"cmc_low": {"rank_1": share - 0.2, "rank_10": None}, "cmc_high": {"rank_1": share + 0.2}}
    return {
        **ends,
        "gallery": 1234,
        "cmc": {"rank_1": share, "rank_10": share + 0.1},
        "tpir": [tpir],
        "open_rank": 20,
    }


def over(share: float | None) -> dict[str, Any]:
    if share is None:
        return {"mean": None, "std": None, "mean_minus_std": None, "supported": False}
    return {"mean": share, "std": 0.03, "mean_minus_std": share - 0.03, "supported": share > 0.55}


def metrics(share: float) -> dict[str, Any]:
    mean = {"cmc": {"rank_1": share, "rank_10": share + 0.1, "rank_5": share + 0.05}}
    mean["tpir"] = [{"fpir": 0.1, "tpir": share / 2}]
    both = {"gallery_1": gallery(share), "gallery_2": gallery(share, supported=False)}
    verification = {"ijb_hard": {"tar_at_far": [tar(0.1, share), tar(1e-4, None), tar(1e-5, None)]}}
    seen = {"mean": share, "std": 0.01, "low": share - 0.1, "high": share + 0.1}
    verification["ytf"] = {"accuracy": seen, "fold_accuracy": [share] * 10, "tar_at_far": []}
    found = {"verification": verification, "identification": {"ijb_hard": {"galleries": both, "mean": mean}}}
    among = [{"distractors": n, "rank_1": share - n / 1e5, "rank_10": share} for n in (10, 10_000)]
    far = {"cmc": among, "tar_at_far": [tar(0.1, share), tar(1e-6, None)]}
    camera = {**gallery(share), "tar_at_far": [tar(0.01, share - 0.2)]}
    lists = {"far": {"among_distractors": far}, "camera": {"in_gallery": camera}}
    rates = [{"far": 0.1, **over(share)}, {"far": 1e-4, **over(None)}]
    splits = {"splits": 10, "rank": 1, "tar_at_far": rates, "tpir_at_fpir": [{"fpir": 0.01, **over(share)}]}
    return {
        "blufr": {"settings": {"rank": 1}, "benchmarks": {"bench": {"lists": {"all_faces": splits}}}},
        "templates": {"settings": {"flip": "sum"}, "benchmarks": {"bench": found}},
        "searches": {"settings": {"flip": "concat"}, "benchmarks": {"bench": {"lists": lists}}},
    }


@pytest.fixture
def results(tmp_path: Path, params: dict[str, Any]) -> Results:
    for model, share in zip(MODELS, (0.5, 0.6), strict=True):
        files.write_json(tmp_path / "metrics/evaluate" / f"{model}.json", metrics(share))
    return Results(tmp_path, params)


def test_templates(results: Results) -> None:
    (table,) = identification.templates(results)
    assert [(name, measure) for name, measure, _ in table.lines] == [
        ("ijb hard", "TAR at FAR 0.1"),
        ("ytf", "accuracy over 10 folds"),
        ("ijb hard, 2 galleries", "rank 1"),
        ("ijb hard, 2 galleries", "TPIR at FPIR 0.1"),
    ]
    assert table.untold == ["ijb hard, TAR at FAR 0.0001, 1e-05"]
    first, accuracy, ranks, tpir = (cells["student"] for _, _, cells in table.lines)
    assert (first.value, first.low, first.high, first.remarks) == (0.6, 0.5, 0.7, [])
    assert (accuracy.value, accuracy.low) == (0.6, 0.5)
    assert ranks.remarks == ["rank 5: 65.0", "rank 10: 70.0"]
    assert (tpir.value, tpir.remarks) == (0.3, ["few probes"])


def test_searches(results: Results) -> None:
    (table,) = identification.searches(results)
    assert [(name, measure) for name, measure, _ in table.lines] == [
        ("camera", "rank 1, gallery of 1,234"),
        ("camera", "TPIR20 at FPIR 0.1"),
        ("camera", "TAR in the gallery at FAR 0.01"),
        ("far", "rank 1, 10 distractors"),
        ("far", "rank 1, 10,000 distractors"),
        ("far", "TAR among distractors at FAR 0.1"),
    ]
    assert table.untold == ["far, TAR among distractors at FAR 1e-06"]
    tar = table.lines[2][2]["student"]
    assert (tar.low, tar.high, tar.remarks) == (pytest.approx(0.3), pytest.approx(0.5), ["few impostors"])
    camera = table.lines[0][2]["student"]
    assert (camera.low, camera.high) == pytest.approx((0.4, 0.8))
    assert [cells["alone"].value for _, _, cells in table.lines] == pytest.approx(
        [0.5, 0.25, 0.3, 0.4999, 0.4, 0.5]
    )


def test_splits(results: Results) -> None:
    (table,) = identification.splits(results)
    assert [(name, measure) for name, measure, _ in table.lines] == [
        ("all faces, 10 splits", "TAR at FAR 0.1"),
        ("all faces, 10 splits", "TPIR at FPIR 0.01"),
    ]
    assert table.untold == ["all faces, 10 splits, TAR at FAR 0.0001"]
    (first, second) = (cells for _, _, cells in table.lines)
    assert first["student"].value == pytest.approx(0.57)
    assert (first["student"].remarks, second["alone"].remarks) == (
        ["60.0 - 3.0"],
        ["50.0 - 3.0", "few probes"],
    )


def test_models_without_these_protocols_have_no_table(data: Path, params: dict[str, Any]) -> None:
    assert identification.templates(Results(data, params)) == []
    assert identification.searches(Results(data, params)) == []
    assert identification.splits(Results(data, params)) == []


def test_the_page_has_the_tables_where_there_are_any(
    data: Path, html: str, params: dict[str, Any], tmp_path: Path
) -> None:
    assert "<h3>Templates" not in html
    assert "How the searches were scored" not in html
    for model in MODELS:
        known = files.read_json(data / "metrics/evaluate" / f"{model}.json")
        files.write_json(tmp_path / "metrics/evaluate" / f"{model}.json", {**known, **metrics(0.5)})
    shown = page.build(tmp_path, params)
    for words in (
        "<h3>Templates</h3>",
        "<h3>Searches</h3>",
        "<h3>All pairs of splits</h3>",
        "How the splits were scored",
        "[40.0, 60.0]",
        "TPIR20 at FPIR 0.1",
        "few probes",
    ):
        assert words in shown
    assert "Too few to tell: ijb hard, TAR at FAR 0.0001, 1e-05." in shown
    assert "How the templates were scored" in shown


def test_classes_have_a_table_with_and_without_lists_of_pairs(
    data: Path, params: dict[str, Any], tmp_path: Path
) -> None:
    top = [
        {"k": 1, "share": 0.9, "low": 0.88, "high": 0.92},
        {"k": 5, "share": 0.99, "low": 0.98, "high": 1.0},
    ]
    numbers = {"images": 1000, "classes": 10, "classes_with_images": 10, "top": top, "balanced": 0.89}
    found = {"settings": {"tops": [1, 5]}, "benchmarks": {"cifar": numbers, "lfw": {"note": "of no class"}}}
    files.write_json(tmp_path / "metrics/evaluate/alone.json", {"classification": found})
    (table,) = identification.classes(Results(tmp_path, params))
    assert table.benchmark == "cifar"
    assert [measure for _, measure, _ in table.lines] == ["top 1", "top 5", "top 1, mean of the classes"]
    assert table.lines[0][2]["alone"].low == 0.88
    shown = page.build(tmp_path, params)
    assert "<h3>Classification</h3>" in shown
    assert "[88.0, 92.0]" in shown
    assert "True accept rate at a false" not in shown
