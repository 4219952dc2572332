"""Landmark training in the common loop: outputs, the net's own loss, points that move with their images."""

import pytest
import torch
from torch import nn

from pipeline.augment import Unchanged
from pipeline.landmarks import LandmarkNet
from pipeline.loader import Faces
from pipeline.train import heatmaps
from tests.train.tiny import write_faces


class Two(LandmarkNet):
    points, sigma = 68, 1.0

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 68, 1)

    def forward(self, image):
        return [self.conv(image), 2 * self.conv(image)]

    def loss(self, scores, points, size):
        return sum(score.mean() for score in scores) + points.mean() / size


def test_stacks_become_maps_and_the_loss_is_the_nets_own(tmp_path):
    net = Two()
    faces = Faces(write_faces(tmp_path / "faces"), known=["points68"])
    batches = heatmaps.batches(faces, 8, 0, Unchanged(flip=True), 0)
    batch = batches.finish(batches.raw(0), 0)
    outputs = heatmaps.Mapper(net)(batch.image)
    assert list(outputs.maps) == ["0", "1"]
    torch.testing.assert_close(outputs.embedding, outputs.maps["1"].flatten(1))
    objective = heatmaps.Landmarks(net)
    assert list(objective.parameters()) == []
    term = objective(batch, outputs)["landmarks"]
    expected = net.loss([2 / 2 * outputs.maps["0"], outputs.maps["1"]], batch.extras["points"], 16)
    torch.testing.assert_close(term, expected)


def test_mirrored_faces_have_mirrored_points(tmp_path):
    faces = Faces(write_faces(tmp_path / "faces"))
    batches = heatmaps.batches(faces, 30, 0, Unchanged(flip=True), 0)
    batch = batches.finish(batches.raw(0), 0)
    truth = torch.from_numpy(faces.points("points68"))[batch.row]
    nose = 30  # on the middle line: it stays itself
    expected = torch.where(batch.mirrored, 15 - truth[:, nose, 0], truth[:, nose, 0])
    torch.testing.assert_close(batch.extras["points"][:, nose, 0], expected)


def test_a_batch_without_points_is_told(tmp_path):
    faces = Faces(write_faces(tmp_path / "faces"))
    batches = heatmaps.batches(faces, 8, 0, Unchanged(flip=False), 0)
    batch = batches.finish({k: v for k, v in batches.raw(0).items() if k != "extra.points"}, 0)
    with pytest.raises(ValueError, match="'points'"):
        heatmaps.Landmarks(Two())(batch, heatmaps.Mapper(Two())(batch.image))
