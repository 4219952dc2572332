"""Charts: no foreign colour or date inside, ids that no other chart has, points where they belong."""

from __future__ import annotations

import re

from pipeline.report import figures

SERIES = {"a": ([1.0, 2.0, 3.0], [1.0, 0.5, 0.25]), "b": ([1.0, 2.0], [2.0, 1.0])}
GROUPS = {"list": {"a": (90.0, 88.0, 91.0), "b": (80.0, None, None)}, "other": {"a": (70.0, 60.0, 75.0)}}


def ids(svg: str) -> set[str]:
    return set(re.findall(r'id="([^"]+)"', svg))


def test_svg_takes_the_colours_of_the_page() -> None:
    svg = figures.lines(SERIES, "name", "Title", "epoch")
    assert svg.startswith("<svg viewBox=")
    assert "currentColor" in svg
    assert "var(--line)" in svg
    assert figures.INK not in svg
    assert figures.FAINT not in svg
    assert not re.search(r"#000000|fill: black|stroke: #ffffff", svg)
    assert "<metadata" not in svg
    assert "Title" in svg


def test_same_values_same_bytes_and_ids_of_its_own() -> None:
    first = figures.lines(SERIES, "one", "Title", "epoch")
    assert first == figures.lines(SERIES, "one", "Title", "epoch")
    second = figures.lines(SERIES, "two", "Title", "epoch")
    assert ids(first)
    assert not ids(first) & ids(second)
    used = set(re.findall(r"#([mp][0-9a-f]{6,})", first))
    assert used <= ids(first)


def test_a_label_has_one_colour_in_every_chart() -> None:
    order = ["x", "a", "b"]
    assert figures.colours(["b"], order)["b"] == figures.colours(["a", "b", "new"], order)["b"]
    assert len(set(figures.colours(order, order).values())) == 3
    svg = figures.lines({"b": SERIES["b"]}, "n", "t", "x", order)
    assert figures.COLOURS[2] in svg
    assert figures.COLOURS[0] not in svg


def test_legend_says_each_label_once() -> None:
    svg = figures.intervals(GROUPS, "n", "t", "x")
    assert len(re.findall(r">a<", svg)) == 1
    assert len(re.findall(r">b<", svg)) == 1
    assert ">only<" not in figures.intervals({"l": {"only": (1.0, 0.5, 1.5)}}, "n", "t", "x")


def test_interval_spans_its_ends() -> None:
    """In the drawing the bar reaches as far left and right of the point as its ends say."""
    svg = figures.intervals({"l": {"a": (10.0, 8.0, 14.0)}}, "n", "t", "x")
    ends = r'<path d="M ([\d.]+) [\d.]+ \nL ([\d.]+) [\d.]+ \n"'
    bar = re.search(rf"{ends}[^>]*stroke: {figures.COLOURS[0]}", svg)
    assert bar is not None
    point = re.search(rf'<use [^>]*x="([\d.]+)"[^>]*fill: {figures.COLOURS[0]}', svg)
    assert point is not None
    left, right, middle = float(bar[1]), float(bar[2]), float(point[1])
    assert abs((right - middle) / (middle - left) - 2.0) < 0.01


def test_roc_without_a_single_positive_rate() -> None:
    """Few pairs can leave FAR 0 and 1 alone: what is left is one point."""
    svg = figures.roc({"a": ([0.0, 1.0], [0.5, 1.0])}, "n", "front", [])
    assert "front" in svg


def test_values_at_and_below_zero() -> None:
    assert "<svg" in figures.lines({"a": ([1.0, 2.0], [0.0, -1.0])}, "n", "t", "x")
    assert "<svg" in figures.lines({"a": ([1.0], [1e-9])}, "n", "t", "x", log=True)


def test_areas_are_parameters() -> None:
    """Of two marks the one with four times the parameters, less the same rim, is twice as wide."""
    svg = figures.trade({"a": (1.0, 80.0, 4e6), "b": (2.0, 90.0, 1e6)}, "n", "t", "ms")
    assert "a, 4 M" in svg
    widths = {
        hue: float(re.search(rf'<path id="[^"]+" d="M 0 ([\d.]+)[^>]*stroke: {hue}', svg)[1])  # type: ignore[index]
        for hue in figures.COLOURS[:2]
    }
    areas = [width**2 for width in widths.values()]
    assert abs((areas[0] - 12 / 4) / (areas[1] - 12 / 4) - 4.0) < 0.05  # a mark's size is its width squared


def test_a_histogram_leaves_out_empty_ends_and_marks_where_bins_begin() -> None:
    counts = [0] * 30 + [3, 0, 1200] + [0] * 7
    first, stop = figures.shown_bins(counts)
    assert stop - first >= figures.FEWEST
    assert first <= 30 < 33 <= stop
    svg = figures.histogram(counts, range(1, 40), "n", "Title", "pixels", "faces")
    assert ">1,200<" in svg
    assert ">31<" in svg
    assert ">2<" not in svg
    assert svg == figures.histogram(counts, range(1, 40), "n", "Title", "pixels", "faces")


def test_bins_at_the_ends_and_few_ones() -> None:
    assert figures.shown_bins([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]) == (0, 8)
    assert figures.shown_bins([0, 0, 0, 0, 0, 0, 0, 0, 0, 1]) == (2, 10)
    assert figures.shown_bins([0, 2, 0]) == (0, 3)
    assert figures.shown_bins([0, 0]) == (0, 2)
    assert figures.shown_bins([1] * 20) == (0, 20)
