"""FairFace: its classes folded by hand, dlib's chip, a state dict with the official names."""

import numpy as np
import pytest
import torch

from pipeline import geometry
from pipeline.annotators import Face, _resnet34, fairface
from pipeline.weights import WeightsError
from tests.annotators import nets


def official_names():
    """Of torchvision's resnet34, spelt out."""
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["conv1.weight", *(f"bn1.{part}" for part in norm), "fc.weight", "fc.bias"]
    for layer, depth in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for block in range(depth):
            at = f"layer{layer}.{block}"
            names += [f"{at}.conv{n}.weight" for n in (1, 2)]
            names += [f"{at}.bn{n}.{part}" for n in (1, 2) for part in norm]
            if layer > 1 and block == 0:
                names += [f"{at}.downsample.0.weight", *(f"{at}.downsample.1.{part}" for part in norm)]
    return names


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A random state dict of the official names and shapes, as it would be released."""
    torch.manual_seed(0)
    values = _resnet34.ResNet34(18).state_dict()
    assert sorted(values) == sorted(official_names())
    path = tmp_path_factory.mktemp("weights") / "res34.pt"
    torch.save(values, path)
    return path


def test_the_size_of_resnet_34():
    """torchvision's, of 1000 classes."""
    assert sum(value.numel() for value in _resnet34.ResNet34(1000).parameters()) == 21_797_672


def test_folding_by_hand():
    logits = np.random.default_rng(0).normal(size=(4, 18)) * 3
    found = fairface.folded(logits)
    for row, values in enumerate(logits):
        e = np.exp(values)
        race, gender, age = e[:7] / e[:7].sum(), e[7:9] / e[7:9].sum(), e[9:] / e[9:].sum()
        folded = [race[1], race[3] + race[4], race[5], race[2], race[0] + race[6]]
        np.testing.assert_allclose(found["race"][row], folded)
        np.testing.assert_allclose(found["gender"][row], gender[::-1])
        np.testing.assert_allclose(found["age_group"][row], [age[:3].sum(), age[3:6].sum(), age[6:].sum()])
    huge = fairface.folded(np.full((1, 18), 1e4))
    assert all(np.isfinite(value).all() for value in huge.values())


def test_the_chip_lays_the_landmarks_where_dlib_does():
    """The eye on the image's left: (0.25 + 0.2255) / 1.5 of 224 pixels from the left."""
    points = np.array([[30.0, 40], [60, 42], [45, 55], [33, 70], [57, 71]])
    image = np.zeros((120, 100, 3), np.uint8)
    wanted = (fairface.MEAN_FACE + 0.25) / 1.5 * 224
    assert wanted[0].tolist() == pytest.approx([71.0, 69.6], abs=0.1)
    matrix = geometry.similarity(points, wanted)
    image[40, 30] = 255
    chip = fairface.chip(Face(image, np.zeros(4), points, 0.0))
    x, y = geometry.apply(matrix, [30, 40])[0]
    assert chip.shape == (224, 224, 3)
    assert chip[round(y), round(x)].min() > 128
    square = fairface.chip(Face(nets.picture(), np.array([20.0, 20, 30, 30]), None, 0.0))
    expected = geometry.unaligned(nets.picture(), [20, 20, 30, 30], 224, 0.5)[0]
    np.testing.assert_array_equal(square, expected)


def test_attributes_of_faces(state, tmp_path):
    """As the net says it, whatever the batch; pose is left to others."""
    samples = [nets.sample(f"{i}", nets.picture(i)) for i in range(3)]
    frame, photos = nets.photos(tmp_path, samples)
    said = [
        fairface.build(fairface.Params(weights=str(state), batch=batch)).annotate(frame, photos)
        for batch in (1, 32)
    ]
    np.testing.assert_allclose(said[0], said[1], atol=1e-5)
    net = _resnet34.ResNet34(18).eval()
    net.load_state_dict(torch.load(state, weights_only=True))
    chip = fairface.chip(photos.face(1)).astype(np.float32) / 255
    fed = (chip - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        logits = net(torch.from_numpy(fed.transpose(2, 0, 1)[None].astype(np.float32))).numpy()
    for name, shares in fairface.folded(logits).items():
        assert said[0][name][1] == shares[0].argmax()
        assert said[0][f"{name}_confidence"][1] == pytest.approx(shares[0].max(), abs=1e-5)
    assert (said[0][["pitch", "yaw"]] == -1).all(axis=None)
    assert fairface.build(fairface.Params(weights=str(state))).annotate(frame[:0], photos).empty


def test_another_net_s_weights(tmp_path, state):
    values = torch.load(state, weights_only=True)
    torch.save(
        values | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}, tmp_path / "r.pt"
    )
    with pytest.raises(
        WeightsError, match=r"annotators\.fairface\.weights: .*fc\.weight \(1000, 512\) instead"
    ):
        fairface.build(fairface.Params(weights=str(tmp_path / "r.pt")))
