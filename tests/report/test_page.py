"""The page: whole, self-contained, the same every time, and without what is not there."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pipeline import files
from pipeline.report import figures, page
from pipeline.report import html as words

VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use", "rect", "line", "circle"}
NOTHING = {"data": {"labelled": "none", "unlabelled": "none", "benchmarks": []}, "train": {}, "distill": {}}


class Structure(HTMLParser):
    """Ids, links and resources of a page; a tag that is not closed where it should be is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.resources: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "srcset", "data", "poster", "action"):
                self.resources.append(str(value))
            if name in ("href", "xlink:href"):
                self.references.append(str(value))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"


def test_needs_nothing_but_itself(html: str) -> None:
    found = Structure(html)
    assert found.resources
    assert all(source.startswith("data:image/") for source in found.resources)
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.references)
    assert not found.tags & {"script", "link", "iframe", "object", "embed", "base"}
    assert not re.search(r"@import|url\((?!#)", html)
    assert not re.search(r"https?://", html)


def test_is_one_valid_page_for_a_phone(html: str) -> None:
    found = Structure(html)
    assert html.startswith("<!DOCTYPE html>")
    assert len(found.ids) == len(set(found.ids)), "an id twice"
    assert '<meta name="viewport" content="width=device-width' in html
    tables = len(re.findall(r"<table>", html))
    assert tables == len(re.findall(r'<div class="scroll"><table>', html))


def test_names_every_model_dataset_and_section(html: str) -> None:
    for model in ("expert", "teacher", "alone", "student", "scout", "landmark"):
        assert f"<b>{model}</b>" in html
    for dataset in ("home", "wild", "bench"):
        assert f"<b>{dataset}</b>" in html
    for section in ("summary", "data", "overlap", "training", "results", "clusters", "costs"):
        assert f'<section id="{section}">' in html
        assert f'href="#{section}"' in html


def test_an_exported_file_is_told_with_its_size_and_difference(html: str) -> None:
    told = re.findall(r"<p><b>(\w+)</b> is exported: (\S+), ([\d,]+) bytes.*? by (\S+) at most", html)
    assert told == [("student", "data/prepared/export/student/model.onnx", "654,321", "2.1e-07")]


def test_same_inputs_same_bytes(data: Path, params: dict[str, Any], html: str) -> None:
    assert page.build(data, params) == html


def test_overlap_not_auditable_stands_beside_every_result_of_the_model(html: str) -> None:
    places = [
        re.findall(r"<td[^>]*><b>expert</b>.*?</td>", html)[:1],  # summary
        re.findall(r'<th class="n">expert.*?</th>', html),  # accuracy, true accept rates
        re.findall(r"<td[^>]*>99\.00 ±.*?</td>", html),  # accuracies
        re.findall(r">expert[^<]*</text>", html),  # charts
    ]
    assert [len(found) for found in places] == [1, 2, 2, 4]
    assert all("overlap not auditable" in place for found in places for place in found)
    others = re.findall(r'<th class="n">(?:teacher|alone|student).*?</th>', html)
    assert len(others) == 6
    assert not any("auditable" in place for place in others)


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts take most of the time; where only the page's structure matters, they are empty."""
    for kind in ("lines", "intervals", "roc"):
        monkeypatch.setattr(figures, kind, lambda *_, **__: "<svg></svg>")


@pytest.mark.usefixtures("no_charts")
@pytest.mark.parametrize(
    ("absent", "lost"),
    [
        ("metrics/cluster", "clusters"),
        ("metrics/overlap.json", "overlap"),
        ("runs", "costs"),
        ("metrics/evaluate", "results"),
    ],
)
def test_an_absent_part_is_left_out(
    tmp_path: Path, data: Path, params: dict[str, Any], absent: str, lost: str, html: str
) -> None:
    kept = tmp_path / "data"
    shutil.copytree(
        data, kept, ignore=lambda folder, names: [n for n in names if f"{folder}/{n}".endswith(absent)]
    )
    found = Structure(page.build(kept, params))
    assert lost not in found.ids
    assert set(Structure(html).ids) - set(found.ids) >= {lost}


def test_nothing_at_all(tmp_path: Path) -> None:
    found = Structure(page.build(tmp_path / "data", NOTHING))
    assert "summary" in found.ids
    assert "data" not in found.ids


@pytest.mark.usefixtures("no_charts")
def test_no_distilled_model(data: Path, params: dict[str, Any]) -> None:
    html = page.build(data, {**params, "distill": {}, "foreign": {}})
    assert "<b>student</b>" not in html
    assert "What distillation changed" not in html


def test_names_are_text_never_markup(tmp_path: Path) -> None:
    name = "<b onclick=x>&"
    files.write_json(tmp_path / "metrics/train" / f"{name}.json", {"epochs": 1, "curves": []})
    html = page.build(tmp_path, {**NOTHING, "train": {name: {"backbone": "<i>"}}})
    assert "onclick=x>" not in html.replace("&lt;b onclick=x&gt;", "")
    assert "<i>" not in html


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, words.DASH),
        (True, "True"),
        ("word", "word"),
        (12345, "12,345"),
        (0.1234, "0.123"),
        (1e-5, "1e-05"),
        (1000.0, "1,000"),
        (999.7, "1,000"),
        (999.4, "999"),
    ],
)
def test_number(value: Any, text: str) -> None:
    assert words.number(value) == text


def test_other_numbers() -> None:
    assert words.fixed(0.59) == "0.590"
    assert words.fixed(1.0) == "1.000"
    assert words.fixed(1200) == words.fixed(1200.0) == "1,200"
    assert words.short(1_234_567) == "1.23 M"
    assert words.short(999) == "999"
    assert words.short(None) == words.DASH
    assert words.signed(0.0123) == "+1.23"
    assert words.signed(-0.0123) == "-1.23"
    assert words.interval(0.9, None) == ""
    assert words.interval(0.9, 0.95) == "[90.00, 95.00]"
    assert words.seconds(59.94) == "59.9 s"
    assert words.seconds(65) == "1 min 05 s"
    assert words.seconds(7300) == "2 h 01 min"
    assert words.measure("ami_age_group") == "AMI age group"
