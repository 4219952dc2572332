"""From names in an entry to the parts of a training; epochs by the chosen size."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import files, records
from pipeline.loader import Faces
from pipeline.model import ModelSpec
from pipeline.train import assemble, epochs_of
from tests.stages.training import PARAMS
from tests.train.tiny import write_faces


def test_epochs_are_a_number_or_the_sizes():
    assert epochs_of(PARAMS, 7, "train") == 7
    assert epochs_of(PARAMS, "size", "train") == 3
    assert epochs_of(PARAMS, "size", "scout") == 2
    with pytest.raises(ValueError, match=r"sizes\.smoke\.epochs has no 'invert'; it has scout"):
        epochs_of(PARAMS, "size", "invert")
    with pytest.raises(ValueError, match="the chosen one alone"):
        epochs_of({"sizes": PARAMS["sizes"] | {"demo": {}}}, "size", "train")


def test_none_is_no_input():
    assert assemble.given("data/models/none") is None
    assert assemble.given("data/models/teacher") == Path("data/models/teacher")


def test_presets_are_looked_up_by_name(tmp_path):
    entry = PARAMS["train"]["alone"]
    faces = Faces(write_faces(tmp_path / "faces"), needs_identity=True)
    spec = assemble.spec("m", entry, PARAMS, faces, datasets=["home"], epochs=5)
    assert spec.shape == PARAMS["backbones"]["ir"]["small"]
    assert spec.margin == {"m": 0.1, "s": 16.0}
    assert (spec.name, spec.size, spec.classes, spec.epochs) == ("m", 16, 6, 5)
    assert assemble.schedule(entry, PARAMS).batch == 8
    assert assemble.augment(entry, PARAMS).flip
    assert not assemble.augment(entry | {"augment": "wild"}, PARAMS).only_flip
    assert assemble.clusters_of(entry, PARAMS, 0, 30, 4) is None


def test_nets_take_square_images(tmp_path):
    with files.writing_dir(tmp_path / "wide") as aside:
        writer = records.Writer(aside)
        writer.add(records.Sample("1", records.encode(np.zeros((4, 6, 3), np.uint8), 101)))
        writer.close({})
    with pytest.raises(ValueError, match="wide has images of 4 x 6"):
        assemble.side(Faces(tmp_path / "wide"))


def spec_of(name, trained_on, auditable=True, side=None):
    return ModelSpec(name=name, trained_on=trained_on, auditable=auditable, side=side)


def test_a_model_inherits_what_its_ancestors_have_seen():
    side = spec_of("landmark", ["shapes"], auditable=False)
    own = spec_of("m", ["home"])
    assert assemble.inherit(own, None) == own
    first = assemble.inherit(own, spec_of("init", ["wild", "home"]))
    assert (first.trained_on, first.auditable) == (["home", "wild"], True)
    last = assemble.inherit(own, spec_of("init", ["wild"], side=side))
    assert (last.trained_on, last.auditable) == (["home", "shapes", "wild"], False)
    assert assemble.inherit(last, spec_of("later", [])).auditable is False
