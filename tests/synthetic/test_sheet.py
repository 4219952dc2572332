"""Contact sheets: the same bytes each time, errors that say what is wrong."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import records
from pipeline.__main__ import app
from pipeline.records.places import Place
from pipeline.synthetic import sheet
from pipeline.synthetic.world import World


def test_a_sheet_has_its_grid_and_the_same_bytes_each_time(tmp_path: Path):
    for name in ("one.png", "two.png"):
        done = CliRunner().invoke(
            app, ["faces", "--grid", "2x3", "--size", "48", "--out", str(tmp_path / name)]
        )
        assert done.exit_code == 0
    one, two = (tmp_path / name for name in ("one.png", "two.png"))
    assert one.read_bytes() == two.read_bytes()
    assert records.decode(one.read_bytes()).shape == (96, 144, 3)


@pytest.mark.parametrize("factor", sheet.FACTORS)
def test_every_factor_changes_the_picture(factor):
    image = sheet.sheet(World(image_size=40), 0, 1, 2, factor, landmarks=False)
    assert image.shape == (40, 80, 3)
    assert (image[:, :40] != image[:, 40:]).any()


def test_a_factor_that_is_held_leaves_the_picture_as_it_is(monkeypatch):
    """Two columns differ by the factor alone: not in their backdrop, light or noise."""
    monkeypatch.setitem(sheet.RANGES, "yaw", (20.0, 20.0))
    image = sheet.sheet(World(image_size=40), 0, 1, 2, "yaw", landmarks=False)
    assert (image[:, :40] == image[:, 40:]).all()


def test_landmarks_are_drawn_on_an_enlarged_picture():
    assert sheet.sheet(World(image_size=40), 0, 1, 1, None, landmarks=True).shape == (80, 80, 3)


def test_errors_say_what_is_wrong(tmp_path: Path):
    with pytest.raises(sheet.SheetError, match="no factor 'wind'"):
        sheet.sheet(World(image_size=40), 0, 1, 1, "wind", landmarks=False)
    with pytest.raises(sheet.SheetError, match="ingest the dataset first"):
        sheet.of_dataset(tmp_path / "none", 1, 1, landmarks=False)
    assert CliRunner().invoke(app, ["faces", "--world", "mars"]).exit_code == 2


def test_a_dataset_is_shown_by_its_people(tmp_path: Path):
    image = records.encode(sheet.sheet(World(image_size=40), 0, 1, 1, None, landmarks=False))
    with_names = [
        records.Sample(f"{person}/{n}", image, identity=person) for person in "ab" for n in range(3)
    ]
    writer = records.Writer(tmp_path)
    for sample in [*with_names, *(records.Sample(f"x{n}", image) for n in range(3))]:
        writer.add(sample)
    writer.close({})
    assert sheet.of_dataset(tmp_path, 3, 2, landmarks=False).shape == (3 * 128, 2 * 128, 3)
    assert sheet.of_dataset(tmp_path, 2, 4, landmarks=False)[:128, -128:].max() == 0


def test_the_command_shows_photos_that_ingest_left_where_they_are(tmp_path: Path, monkeypatch):
    image = records.encode(sheet.sheet(World(image_size=40), 0, 1, 1, None, landmarks=False))
    raw, ingested = tmp_path / "data/raw/mine", tmp_path / "data/prepared/ingest/mine"
    for folder in (raw / "a", ingested):
        folder.mkdir(parents=True)
    (raw / "a/1.jpg").write_bytes(image)
    writer = records.Writer(ingested)
    writer.add(records.Sample("a/1.jpg", image, identity="a", place=Place("a/1.jpg", 0, len(image))))
    writer.close({})
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["faces", "--dataset", "mine", "--grid", "1x1", "--out", "sheet.png"])
    assert (done.exit_code, (tmp_path / "sheet.png").exists()) == (0, True)
