"""Model folders: round trips, equal bytes, what can be wrong with them; normalising; frozen nets."""

import copy
import json

import pytest
import torch

from pipeline import model
from pipeline.landmarks import fan
from pipeline.model import ModelError, ModelSpec

SHAPE = {"depth": [1, 1], "width": [4, 4, 8], "dim": 6}


def spec(**changes):
    given = {
        "name": "tiny",
        "shape": SHAPE,
        "conv": "dynamic_group",
        "conv_params": {"last_stages": 1},
        "head": "cosface",
        "margin": {"m": 0.2, "s": "adaptive"},
        "classes": 3,
        "size": 16,
        "trained_on": ["a", "b"],
        "epochs": 7,
    }
    return ModelSpec(**{**given, **changes})


def seen(recogniser):
    """The recogniser after one batch in training mode: BN's statistics are no longer the first ones."""
    recogniser.train()
    recogniser(torch.randn(4, 3, 16, 16))
    return recogniser


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    described = spec()
    recogniser, head = seen(model.build(described)), model.build_head(described)
    model.save(tmp_path / "m", described, recogniser, head, ["ann", "bob", "cy"])
    return tmp_path / "m", described, recogniser, head


@pytest.fixture
def landmark(tmp_path):
    torch.manual_seed(5)
    described = ModelSpec(
        name="landmark",
        kind="landmark",
        backbone="fan",
        shape={"width": 8, "depth": 1},
        size=16,
        mean=100.0,
        std=50.0,
    )
    net = model.build_landmark(described)
    net(torch.randn(4, 3, 16, 16))
    model.save(tmp_path / "landmark", described, net)
    return tmp_path / "landmark", net.eval()


def test_round_trip(saved):
    folder, described, recogniser, head = saved
    loaded = model.load(folder)
    image, label = torch.randn(5, 3, 16, 16), torch.tensor([0, 1, 2, 1, 0])
    recogniser.eval()
    torch.testing.assert_close(
        loaded.recogniser(image).embedding, recogniser(image).embedding, rtol=0, atol=0
    )
    torch.testing.assert_close(loaded.recogniser(image).routing, recogniser(image).routing, rtol=0, atol=0)
    embedding = torch.randn(5, 6)
    torch.testing.assert_close(loaded.head(embedding, label), head(embedding, label), rtol=0, atol=0)
    assert loaded.spec == described
    assert loaded.classes == ["ann", "bob", "cy"]
    assert not loaded.recogniser.training
    assert (loaded.recogniser.dim, loaded.recogniser.routing_size) == (6, 16)


def test_spec_survives_json():
    described = spec(
        mean=(1.0, 2.0, 3.0), side=ModelSpec(name="l", kind="landmark", backbone="fan"), landmark=True
    )
    assert ModelSpec(**json.loads(json.dumps(described.model_dump(mode="json")))) == described


def test_same_weights_same_bytes_whatever_the_memory_layout(saved, tmp_path):
    folder, described, recogniser, head = saved
    moved = copy.deepcopy(recogniser).to(memory_format=torch.channels_last).requires_grad_(False)
    model.save(tmp_path / "again", described, moved, head, ["ann", "bob", "cy"])
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["classes.json", "code.json", "head.pt", "spec.json", "weights.pt"]
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_half_precision_is_saved_as_float32(tmp_path):
    described = spec(head=None)
    model.save(tmp_path / "m", described, model.build(described).bfloat16())
    state = torch.load(tmp_path / "m/weights.pt", weights_only=True)
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize("name", ["weights.pt", "head.pt", "spec.json"])
def test_a_damaged_file_is_named(saved, name):
    path = saved[0] / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ModelError, match=name):
        model.load(saved[0])


@pytest.mark.parametrize("name", ["weights.pt", "spec.json"])
def test_a_missing_file_is_named(saved, name):
    (saved[0] / name).unlink()
    with pytest.raises(ModelError, match=f"{name} does not exist"):
        model.load(saved[0])


def test_weights_of_another_shape_are_refused(saved, tmp_path):
    other = spec(shape={**SHAPE, "dim": 7})
    model.save(tmp_path / "other", other, model.build(other))
    (tmp_path / "other/weights.pt").write_bytes((saved[0] / "weights.pt").read_bytes())
    with pytest.raises(ModelError, match=r"weights\.pt does not fit"):
        model.load(tmp_path / "other")


def test_weights_that_would_run_code_are_refused(saved):
    class Evil:
        def __reduce__(self):
            return print, ("ran",)

    torch.save(Evil(), saved[0] / "weights.pt")
    with pytest.raises(ModelError, match=r"weights\.pt"):
        model.load(saved[0])


def test_class_names_must_be_as_many_as_classes(saved, tmp_path):
    with pytest.raises(ModelError, match="2 class names for a head of 3 classes"):
        model.save(tmp_path / "n", saved[1], saved[2], saved[3], ["ann", "bob"])
    assert not (tmp_path / "n").exists()


def test_extra_files_come_with_the_folder_or_neither_does(tmp_path):
    described = spec(head=None)
    net = model.build(described)
    model.save(tmp_path / "m", described, net, extras=[lambda folder: (folder / "more").write_text("first")])
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    assert before["more"] == b"first"

    def full(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "m", described, net, extras=[full])
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match="'tiny' takes 16x16 faces, got 24x24"):
        model.build(spec())(torch.zeros(2, 3, 24, 24))


def test_normalise_per_channel_equals_loops():
    pixels = torch.randint(0, 256, (2, 3, 4, 3), dtype=torch.uint8)
    mean, std = (10.0, 20.0, 30.0), (2.0, 4.0, 5.0)
    found = model.normalise(pixels, mean, std)
    assert found.shape == (2, 3, 3, 4)
    for b in range(2):
        for y in range(3):
            for x in range(4):
                for c in range(3):
                    expected = (float(pixels[b, y, x, c]) - mean[c]) / std[c]
                    assert found[b, c, y, x].item() == pytest.approx(expected, rel=1e-6)


def test_normalise_spans_minus_one_to_one_by_default():
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 2, 1).expand(1, 1, 2, 3)
    assert model.normalise(ends)[0, 0, 0].tolist() == [-1.0, 1.0]


def test_frozen_stays_in_evaluation_mode_inside_a_training_parent():
    net = model.frozen(model.build(spec(shape={**SHAPE, "dropout": 0.5})))
    parent = torch.nn.ModuleList([net]).train()
    assert parent.training
    assert not any(module.training for module in net.modules())
    assert not any(p.requires_grad for p in net.parameters())
    before = copy.deepcopy(net.state_dict())
    net(torch.randn(4, 3, 16, 16))
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not copy.deepcopy(net).train().training


def test_side_maps_are_stacked_frozen_and_kept_apart(landmark):
    folder, net = landmark
    torch.manual_seed(0)
    recogniser = seen(model.build(spec(landmark=True), folder))
    assert recogniser.backbone.stem[0].in_channels == 3 + 51
    assert recogniser.training
    assert not recogniser.side.training
    assert not any("side" in name for name in recogniser.state_dict())
    ours = sum(p.numel() for p in recogniser.parameters())
    assert ours == sum(p.numel() for p in recogniser.backbone.parameters())
    for name, value in recogniser.side.state_dict().items():
        assert torch.equal(value, net.state_dict()[name])


def test_side_maps_are_the_landmark_nets_heatmaps(landmark):
    folder, net = landmark
    recogniser = model.build(spec(landmark=True), folder).eval()
    pixels = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)
    scores = net(model.normalise(pixels, 100.0, 50.0))[-1][:, 17:]
    maps = scores.flatten(2).softmax(-1).view(scores.shape) * 2 * torch.pi * net.sigma**2
    maps = torch.nn.functional.interpolate(maps, size=(16, 16), mode="bilinear")
    image = model.normalise(pixels)
    expected = recogniser.backbone(torch.cat([image, maps], 1)).embedding
    torch.testing.assert_close(recogniser(image).embedding, expected, atol=1e-4, rtol=1e-4)


def test_side_net_follows_the_recogniser(landmark):
    recogniser = model.build(spec(landmark=True), landmark[0])
    parent = torch.nn.ModuleList([recogniser]).double()
    assert next(recogniser.side.parameters()).dtype == torch.float64
    assert parent[0](torch.randn(2, 3, 16, 16, dtype=torch.float64)).embedding.dtype == torch.float64


def test_a_folder_with_a_side_net_needs_nothing_else(landmark, tmp_path):
    folder, _ = landmark
    recogniser = seen(model.build(spec(landmark=True, head=None), folder))
    model.save(tmp_path / "m", spec(head=None), recogniser)
    for path in folder.iterdir():
        path.unlink()
    loaded = model.load(tmp_path / "m")
    assert loaded.spec.landmark
    assert loaded.spec.side.backbone == "fan"
    image = torch.randn(2, 3, 16, 16)
    recogniser.eval()
    torch.testing.assert_close(
        loaded.recogniser(image).embedding, recogniser(image).embedding, rtol=0, atol=0
    )


def test_landmark_maps_without_a_landmark_model_are_refused():
    with pytest.raises(ModelError, match="give the landmark model's folder"):
        model.build(spec(landmark=True))


def test_landmark_folders_and_recognisers_are_not_mixed_up(landmark, saved):
    with pytest.raises(ModelError, match="holds a landmark net"):
        model.load(landmark[0])
    with pytest.raises(ModelError, match="holds a trained model"):
        model.load_landmark(saved[0])
    assert isinstance(model.load_landmark(landmark[0])[1], fan.FAN)


def test_a_landmark_net_survives_its_folder(landmark):
    folder, net = landmark
    image = torch.randn(2, 3, 16, 16)
    loaded = model.load_landmark(folder)[1]
    torch.testing.assert_close(loaded(image)[-1], net(image)[-1], rtol=0, atol=0)


def test_an_empty_place_is_no_model(tmp_path):
    with pytest.raises(ModelError, match="is no model"):
        model.load(tmp_path / "none")


def test_an_unknown_param_of_a_plugin_is_an_error():
    with pytest.raises(ValueError, match="dpeth"):
        model.build(spec(shape={**SHAPE, "dpeth": [1]}))
