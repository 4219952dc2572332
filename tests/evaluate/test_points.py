"""Points that a net finds, image and mirror image together."""

import numpy as np
import pytest
import torch

from pipeline import geometry, model, records
from pipeline.evaluate import points
from pipeline.landmarks import LandmarkNet
from pipeline.loader import Faces
from tests.train.tiny import write_faces

SPEC = model.ModelSpec(name="spot", kind="landmark", size=16)


class Spot(LandmarkNet):
    """Finds the brightest pixel of the red channel, with every point."""

    points, sigma = 68, 1.0

    def forward(self, image):
        return [image[:, :1].expand(-1, 68, -1, -1) * 50]

    def decode(self, scores, size):
        place = scores.flatten(2).argmax(2)
        return torch.stack([place % size, place // size], -1).float()


class Biased(Spot):
    """Finds it one pixel too far to the right; points are means of score maps."""

    def forward(self, image):
        place = image[:, :1].flatten(2).argmax(2)
        found = torch.nn.functional.one_hot(place, image[0, 0].numel()).view(-1, 1, *image.shape[2:])
        return [found.roll(1, -1).expand(-1, 68, -1, -1).float()]

    def decode(self, scores, size):
        down, across = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        means = [(scores * axis).sum((2, 3)) / scores.sum((2, 3)) for axis in (across, down)]
        return torch.stack(means, -1)


@pytest.mark.parametrize("net", [Spot(), Biased()])
def test_predictions_are_averaged_with_the_mirrors(tmp_path, net):
    """So that what a net gets wrong to one side is made good."""
    places, writer = [(3, 4), (12, 9), (8, 1)], records.Writer(tmp_path)
    for x, y in places:
        image = np.zeros((16, 16, 3), np.uint8)
        image[y, x] = 255
        writer.add(records.Sample(f"{x}-{y}", records.encode(image)))
    writer.close({})
    found = points.predict(net, Faces(tmp_path), SPEC, "cpu")
    assert found.shape == (3, 68, 2)
    np.testing.assert_allclose(found[:, 5], places, atol=1e-4)


def test_points_that_are_no_numbers_name_the_sample(tmp_path):
    class Broken(Spot):
        def decode(self, scores, size):
            found = super().decode(scores, size)
            found[7] = float("nan")
            return found

    faces = Faces(write_faces(tmp_path / "faces"))
    with pytest.raises(ValueError, match=f"sample '{faces.sample_ids[7]}' of .* gives NaN"):
        points.predict(Broken(), faces, SPEC, "cpu")


def test_faces_of_another_size_are_refused(tmp_path):
    faces = Faces(write_faces(tmp_path / "faces", size=12))
    with pytest.raises(ValueError, match=r"'spot' takes 16x16 faces, got 12x12: use a crop of size 16"):
        points.predict(Spot(), faces, SPEC, "cpu")


def test_five_of_68_are_those_of_the_geometry():
    every = np.random.default_rng(0).normal(size=(3, 68, 2))
    np.testing.assert_allclose(points.five(every)[2], geometry.five_of_68(every[2]))
    assert points.five(every[:0]).shape == (0, 5, 2)
