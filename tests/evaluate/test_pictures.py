"""Pictures exist, are PNG files of a sane size, and are the same for the same numbers."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.evaluate import evidence, figures, gallery, impostors, overlap, removals, tail
from pipeline.evaluate.verdicts import Verdicts
from pipeline.records import Dataset


def picture(path):
    image = cv2.imread(str(path))
    assert image is not None
    assert min(image.shape[:2]) > 60
    assert image.std() > 1
    return image


def test_roc_is_the_same_for_the_same_numbers(tmp_path):
    curves = {"test": {"front": {"far": [0, 0.001, 0.1, 1], "tar": [0, 0.4, 0.9, 1]}}, "other": {}}
    figures.roc(curves, tmp_path / "a.png")
    figures.roc(curves, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    picture(tmp_path / "a.png")


def test_histograms_of_equal_numbers(tmp_path):
    figures.histograms({"a": np.zeros(5), "b": np.zeros(3)}, "cosine", tmp_path / "a.png")
    picture(tmp_path / "a.png")


class Pixels:
    def __init__(self, count):
        self.pixels = torch.randint(0, 255, (count, 16, 16, 3), dtype=torch.uint8)

    def __len__(self):
        return len(self.pixels)

    def images(self, positions):
        return self.pixels[torch.from_numpy(positions)]


def test_gallery_and_maps(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 6))
    labels = np.repeat([3, 9], [49, 1])
    attributes = pd.DataFrame({"gender": rng.integers(0, 2, 50), "yaw": rng.integers(0, 3, 50)})
    gallery.gallery(labels, values, attributes, Pixels(50), 5, tmp_path / "gallery.png")
    gallery.maps({"routing": values, "pooled": values}, attributes, 0, tmp_path / "tsne.png")
    picture(tmp_path / "gallery.png")
    picture(tmp_path / "tsne.png")
    assert np.array_equal(gallery.tsne(values, 1), gallery.tsne(values, 1))


def test_titles_name_the_largest_cohort():
    inside = pd.DataFrame({"gender": [1, 1, 0], "race": [2, 2, 0], "yaw": [1, 1, 2]})
    assert gallery.title(7, inside) == "cluster 7, 3 faces, 67% male, Indian, to the right"
    assert gallery.title(0, inside[["gender"]].iloc[2:]) == "cluster 0, 1 faces, 100% female"
    assert gallery.describe({"age_group": 2, "pitch": 2, "yaw": 0}) == "50+, to the left"


@pytest.mark.parametrize(("count", "mutual_rate"), [(0, 0.0), (1, 0.1), (40, 0.0)])
def test_evidence(dataset, tmp_path, count, mutual_rate):
    folder = dataset(people=12, each=4)
    names = [f"p{i % 12:02d}/{i // 12}" for i in range(48)]
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sample_id": names, "identity": [n[:3] for n in names], "name": None}, dtype=object)
    faces = overlap.Faces.of("test", frame, rng.normal(size=(48, 2, 8)).astype(np.float32))
    kinds = [(True, True)]
    limits = impostors.thresholds([faces], None, kinds, 1e-3)
    match = overlap.nearest(faces, [faces], kinds[0])
    rows = [
        {"dataset": "test", "sample_id": name, "identity": None if i % 2 else name[:3], "reason": "embedding",
         "benchmark": "test", "matched": name[:3] if i % 3 else name, "similarity": 0.9 - i / 100}
        for i, name in enumerate(names[:count])
    ]  # fmt: skip
    out = tmp_path / "evidence"
    out.mkdir()
    bounds = impostors.bounds(limits, mutual_rate)
    everything = removals.Found(limits, bounds, {("test", kinds[0]): match}, rows, Verdicts())
    found = evidence.write(out, everything, {"test": folder})
    assert found["thresholds"]["person-person"]["comparisons"] == {"test": 144}
    assert found["thresholds"]["person-person"]["expected_false_matches"] == {"test": pytest.approx(0.144)}
    picture(out / "similarity.png")
    shown = evidence.removed(rows, {"test": Dataset(folder)})
    assert len(shown) == min(len({row["identity"] or row["sample_id"] for row in rows}), 12)
    for text, images in shown:
        left, right = text.split(",")[0].split(" = ")
        expected = [
            [True, "/" not in who, "/" not in who] for who in (left, right)
        ]  # a face, or three of a person
        assert [image is not None for image in images] == [*expected[0], False, *expected[1]]
    assert len(tail.histogram(match.similarity)) == tail.BINS
    inside = [row | {"reason": why} for row in rows for why in ("misplaced", "merged")]
    assert evidence.removed(inside, {"test": Dataset(folder)}) == [], "these say nothing of anybody protected"
