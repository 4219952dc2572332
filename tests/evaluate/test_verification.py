"""Pictures of verification: what is drawn is what was scored."""

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from pipeline.evaluate import curves, figures, verification
from pipeline.records import Dataset


@pytest.fixture
def scored(dataset):
    """Pairs of two lists over 12 people with 4 faces; the scores rise with the row."""
    folder = dataset(people=12, each=4)
    data = Dataset(folder)
    ids = data.frame(["sample_id"])["sample_id"].tolist()
    rows = [
        {"benchmark": "test", "protocol": name, "a": ids[i], "b": ids[-1 - i], "same": i % 2 == 0,
         "score": i / 24 - 0.2}
        for name in ("front", "wild")
        for i in range(24)
    ]  # fmt: skip
    return pd.DataFrame(rows), {"test": data}


def test_hardest_pairs_by_sorting(scored):
    scores, datasets = scored
    found = list(verification.hardest(scores, datasets))
    assert [text.split(",")[0] for text, _ in found] == [
        "front: impostors most alike", "front: genuine pairs least alike",
        "wild: impostors most alike", "wild: genuine pairs least alike"]  # fmt: skip
    front = scores[scores["protocol"] == "front"]
    for (text, images), same in zip(found[:2], (False, True), strict=True):
        rows = sorted(front[front["same"] == same].to_dict("records"), key=lambda row: row["score"])
        rows = rows[: verification.SHOWN] if same else rows[::-1][: verification.SHOWN]
        assert text.split(", ")[1:] == [f"{row['score']:.2f}" for row in rows]
        ids = datasets["test"].frame(["sample_id"])["sample_id"].tolist()
        expected = [datasets["test"].image(ids.index(row[key])) for row in rows for key in ("a", "b")]
        shown = [image for image in images if image is not None]
        assert len(images) == 3 * verification.SHOWN - 1
        for image, right in zip(shown, expected, strict=True):
            np.testing.assert_array_equal(image, right)


def test_all_pictures_are_drawn_twice_the_same(scored, tmp_path):
    scores, datasets = scored
    rocs: dict = {"test": {}}
    for name, rows in scores.groupby("protocol"):
        curve = curves.roc(rows["score"].to_numpy(), rows["same"].to_numpy())
        rocs["test"][name] = {"far": curve.far.tolist(), "tar": curve.tar.tolist()}
    drawn = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        verification.draw(folder, scores, rocs, datasets)
        drawn.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {"det.png", "scores.png", "hardest.jpg"}
    for picture in drawn[0].values():
        assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).std() > 5


def test_a_list_without_impostors_is_drawn_too(scored, tmp_path):
    scores, datasets = scored
    verification.draw(
        tmp_path, scores[scores["same"]], {"test": {"front": {"far": [0.0], "tar": [1.0]}}}, datasets
    )
    found = verification.hardest(scores[scores["same"]], datasets)
    assert [text.split(",")[0] for text, _ in found] == [
        f"{name}: genuine pairs least alike" for name in ("front", "wild")
    ]


def test_of_several_benchmarks_each_list_says_which(scored):
    scores, datasets = scored
    both = pd.concat([scores, scores.assign(benchmark="other")])
    found = verification.hardest(both, datasets | {"other": datasets["test"]})
    assert {text.split(":")[0] for text, _ in found} == {
        f"{benchmark} {name}" for benchmark in ("test", "other") for name in ("front", "wild")
    }


def test_deviates_against_scipy():
    rates = np.array([0.001, 0.3, 0.5, 0.99])
    np.testing.assert_allclose(curves.deviates(rates), norm.ppf(rates), atol=1e-12)


def test_the_suffix_says_how_a_sheet_is_encoded(tmp_path):
    face = np.full((8, 8, 3), 200, np.uint8)
    for name, start in (("a.png", b"\x89PNG"), ("a.jpg", b"\xff\xd8")):
        figures.sheet([("x", [face, None])], tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
