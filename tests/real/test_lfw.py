"""A foreign recogniser through our source, crop and evaluator, on LFW-a folds 1-5: a check of the wiring.

The people may be in the recogniser's training set, so this is no benchmark result.
"""

from pathlib import Path

import pytest

from pipeline import crops, model, plugin, records
from pipeline.backbones import foreign
from pipeline.evaluate.bench import ModelBench
from pipeline.protocols import pairs
from pipeline.runtime import Runtime
from pipeline.sources import Skipped

SHARED = Path(__file__).parents[3] / "shared" / "data"
RAW = {
    "images.tar": "lfw_a_gray250_folds1-5_and_unpaired.tar",
    "pairs.txt": "lfw_pairs_folds1-5.txt",
    "landmarks.json": "lfw_a_boxes_landmarks.json",
}
MS1M = {
    "image_size": 112,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "divide": 255.0,
    "dim": 128,
}

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent"),
]


def plugin_of(family, name, raw, **params):
    module = plugin.load(family, name)
    given = (module.Params(**params), raw) if family == "detectors" else (module.Params(**params), raw, {})
    return module.build(*given)


@pytest.fixture(scope="module")
def lfw(tmp_path_factory):
    """The benchmark, cropped at 112 pixels."""
    raw = tmp_path_factory.mktemp("raw")
    for name, source in RAW.items():
        (raw / name).symlink_to(SHARED / source)
    source = plugin_of("sources", "pairs", raw, pairs="pairs.txt")
    whole, cropped = tmp_path_factory.mktemp("ingest"), tmp_path_factory.mktemp("crop")
    writer = records.Writer(whole)
    for sample in source.samples():
        assert not isinstance(sample, Skipped)
        writer.add(sample)
    writer.close({})
    writer = records.Writer(cropped)
    detector = plugin_of("detectors", "file", raw, path="landmarks.json")
    crop = crops.Cropper(detector, "aligned", 112)
    for sample in records.Dataset(whole, raw).samples():
        (face,) = crop(sample)
        assert not isinstance(face, crops.SetAside)
        writer.add(face)
    writer.close({}, records.pair_table(source.pairs()))
    return cropped


def test_foreign_recogniser_on_lfw_a(lfw, tmp_path):
    weights = SHARED / "weights" / "mobilefacenet_ms1m.onnx"
    params = foreign.Params(**MS1M)
    mean, std = foreign.normalisation(params)
    spec = model.ModelSpec(
        name="ms1m", kind="foreign", backbone="foreign", shape=params.model_dump(mode="json"),
        auditable=False, mean=mean, std=std,
    )  # fmt: skip
    model.save_foreign(tmp_path / "ms1m", spec, weights)
    bench = ModelBench(model.load(tmp_path / "ms1m"), {"lfw": lfw}, Runtime(), weights)
    result = pairs.build(pairs.Params(flip="concat", bootstrap=500)).evaluate(bench)
    (found,) = result.metrics["benchmarks"]["lfw"].values()
    assert (found["genuine"], found["impostors"], found["missing_pairs"]) == (1500, 1500, 0)
    assert len(found["fold_accuracy"]) == 5
    accuracy = found["accuracy"]
    assert accuracy["mean"] == pytest.approx(0.9883, abs=0.002)
    assert accuracy["low"] < accuracy["mean"] < accuracy["high"]
    tars = {tar["far"]: tar for tar in found["tar_at_far"]}
    assert tars[1e-2]["tar"] == pytest.approx(0.9893, abs=0.003)
    assert tars[1e-3]["tar"] == pytest.approx(0.9667, abs=0.003)
    assert (tars[1e-2]["supported"], tars[1e-3]["supported"]) == (True, False)
    size = bench.size()
    assert (size["embedding"], round(size["parameters"] / 1e6, 2)) == (128, 0.99)
