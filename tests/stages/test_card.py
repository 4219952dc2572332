"""The card stage after ingest, crop and annotate: what it leaves of every kind of dataset, twice the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import files, records
from pipeline.report import dataset_card
from pipeline.sources._insightface import Packer
from stages import annotate, card, crop, ingest
from tests.report.test_page import Structure

OUT = Path("data/prepared/card/faces")


def before(ran):
    """The stages that a card follows, with their metrics where they belong."""
    for name in ran.through(ingest, crop, annotate):
        folder = Path("data/metrics") / (f"benchmark_{name}" if ran.benchmark else name)
        files.write_json(folder / f"{ran.item}.json", ran.told)
    ran.told, ran.figures, ran.artifacts, ran.said, ran.steps = {}, {}, {}, [], 0
    if not ran.benchmark:
        files.write_json("data/metrics/overlap.json", {"removed": {}})
    return ran


@pytest.fixture
def ran(run, raw, jpeg):
    """Two people, and a file that is no image."""
    raw({"Al/1.jpg": jpeg(1), "Al/2.jpg": jpeg(2), "Bo/1.jpg": jpeg(3), "Bo/torn.jpg": b"\xff\xd8"})
    return before(run(crop="tight", box="whole", terms="research only"))


def test_what_comes_out(ran):
    card.main(ran)
    told = files.read_json(OUT / "card.json")
    assert {path.name for path in OUT.iterdir()} == {"card.json", "card.html"}
    assert (told["dataset"], told["source"], told["terms"]) == ("faces", "folder", "research only")
    assert told["counts"] == {"read": 4, "faces": 3, "identities": 2, "nobody_known": 0}
    assert told["set_aside"]["reading"]["reasons"][0]["examples"] == ["Bo/torn.jpg"]
    assert told["set_aside"]["cropping"]["count"] == 0
    assert told["resolution"]["crop"] == 48
    assert told["overlap"]["why"] == dataset_card.NOT_SEARCHED
    assert ran.steps == told["blur"]["measured"] == 3
    assert ran.told["faces"] == 3
    assert ran.told["set_aside"] == {"reading": 1, "cropping": 0}
    assert ran.figures == {"card/faces.html": (OUT / "card.html").read_bytes()}
    assert ran.artifacts == {"card/faces.json": (OUT / "card.json").read_bytes()}
    assert ran.said == [
        "3 faces of 2 people, 1 set aside, terms of use in it; see data/prepared/card/faces/card.html"
    ]


def test_the_page_needs_nothing_but_itself(ran):
    card.main(ran)
    found = Structure((OUT / "card.html").read_text())
    assert [one[:15] for one in found.resources] == ["data:image/jpeg"]
    assert not [one for one in found.references if not one.startswith("#")]


def test_twice_gives_the_same_bytes(ran):
    card.main(ran)
    first = {path.name: path.read_bytes() for path in OUT.iterdir()}
    card.main(ran)
    assert {path.name: path.read_bytes() for path in OUT.iterdir()} == first


def test_resolution_is_that_of_the_images(ran):
    """Images of 80 x 90 pixels, whose square around the whole is 90: not enlarged to 48."""
    card.main(ran)
    found = files.read_json(OUT / "card.json")["resolution"]
    edges = found["edges"]
    assert found["photo"][edges.index(80) + 1] == 3
    assert found["square"][edges.index(80) + 1] == 3
    assert (sum(found["square"]), found["enlarged"]) == (3, 0)


def test_a_benchmark_keeps_its_people_and_needs_no_overlap(run, raw, jpeg):
    raw({"Al/1.jpg": jpeg(1)})
    made = before(run(benchmark=True, crop="tight", box="whole"))
    card.main(made)
    out = Path("data/benchmarks/card/faces")
    told = files.read_json(out / "card.json")
    assert told["overlap"]["why"] == dataset_card.PROTECTED
    assert told["terms"] is None
    assert "Not stated" in (out / "card.html").read_text()
    assert not OUT.exists()


def test_an_empty_role(run):
    card.main(before(made := run("none", source="none")))
    assert made.told["faces"] == 0
    assert (Path("data/prepared/card/none") / "card.html").exists()


def test_faces_that_pass_through_and_cannot_be_decoded_are_counted(run, jpeg):
    """Crop `as_is` looks at headers alone."""
    whole = records.encode(records.decode(jpeg())[:80, :80], 90)
    torn = whole[:200] + b"\xff\xd9"
    with Packer(Path("data/raw/faces"), size=(80, 80)) as packer:
        packer.add(0, [whole, whole])
        packer.add(1, [whole])
    made = run(source="recordio", crop="as_is")
    made.params |= {"crops": {"as_is": {"method": "as_is", "image_size": 80}}}
    before(made)
    folder = Path("data/prepared/crop/faces")
    rows = list(records.Dataset(folder).samples())
    rows[1].image = torn
    about = records.Dataset(folder).about
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for sample in rows:
            writer.add(sample)
        writer.close(about)
    card.main(made)
    told = files.read_json(OUT / "card.json")
    assert (told["blur"]["measured"], told["blur"]["unreadable"]) == (2, 1)
    assert "1 of the faces that should have been measured" in (OUT / "card.html").read_text()
    edges = told["resolution"]["edges"]
    assert told["resolution"]["square"][edges.index(80) + 1] == 3
