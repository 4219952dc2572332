"""params.yaml: the file in the repository is in order, and every way to spoil it is told, all at once."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import params

ROOT = Path(__file__).parent.parent


@pytest.fixture
def spoil(tmp_path, monkeypatch):
    """spoil(change) -> the problems of params.yaml after change(values)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models").mkdir()
    (tmp_path / "data" / "models" / "none").touch()
    (tmp_path / "data" / "overlap").mkdir()
    yaml = YAML(typ="safe")
    values = yaml.load((ROOT / "params.yaml").read_text())
    for name in values["datasets"]:
        (tmp_path / "data" / "raw" / name).mkdir(parents=True)

    def check(change=lambda values: None):
        spoilt = copy.deepcopy(values)
        change(spoilt)
        with open(tmp_path / "params.yaml", "w") as file:
            yaml.dump(spoilt, file)
        return {problem.path: f"{problem.what} | {problem.hint}" for problem in params.check()}

    return check


def test_the_repositorys_file_is_in_order(spoil):
    assert spoil() == {}


def test_several_problems_are_told_together(spoil):
    def change(values):
        values["train"]["teacher"]["bakbone"] = values["train"]["teacher"].pop("backbone")
        values["size"] = "defualt"
        values["heads"]["cosface"]["mild"]["marign"] = 0.2
        values["schedules"]["sgd"]["lr"] = "0.1"
        values["data"]["unlabelled"] = "synthetic_wlid"
        values["after"]["evaluate"].append("studnet")
        del values["limits"]

    found = spoil(change)
    assert "did you mean 'backbone'" in found["train.teacher.bakbone"]
    assert "train.teacher.backbone" not in found, "one mistake is one problem"
    assert "did you mean 'default'" in found["size"]
    assert "one of: m, s" in found["heads.cosface.mild.marign"]
    assert "valid number, got '0.1'" in found["schedules.sgd.lr"]
    assert "did you mean 'synthetic_wild'" in found["data.unlabelled"]
    assert "did you mean 'student'" in found["after.evaluate"]
    assert "missing" in found["limits"]


def foreign(values, loss="fm", mixing="unlabelled"):
    Path("big.onnx").write_bytes(b"weights")
    size = values["crops"]["aligned"]["image_size"]
    values["backbones"]["foreign"]["ms1m"]["image_size"] = size
    values["foreign"] = {"big": {"weights": "big.onnx", "preset": "ms1m"}}
    values["after"]["targets"].append("big")
    values["distill"]["student"] |= {"teacher": "big", "loss": loss, "mixing": mixing}


def headless(values, loss, mixing):
    """`second` learns from `student`, which learns embeddings alone."""
    values["after"]["targets"].append("student")
    values["distill"]["second"] = values["distill"]["student"] | {
        "teacher": "student", "loss": loss, "mixing": mixing}  # fmt: skip
    values["distill"]["student"] |= {"loss": "fm", "mixing": "unlabelled_only"}


SMALL = {"shape": "student", "conv": "plain", "cluster": "none"}  # the architecture of `alone` and `student`
CASES = {
    "a typo of a top key": (lambda v: v.update(sede=1), "sede", r"unknown key"),
    "a plugin that is none": (lambda v: v["heads"].update(arcfaec={"a": {}}), "heads.arcfaec", "'arcface'"),
    "a shape that is none": (
        lambda v: v["train"]["teacher"].update(shape="teecher"),
        "train.teacher.shape",
        "'teacher'",
    ),
    "a value the plugin refuses": (
        lambda v: v["backbones"]["ir"]["teacher"].update(width=[1]),
        "backbones.ir.teacher",
        "5 numbers",
    ),
    "a name with a blank": (
        lambda v: v["train"].update({"a b": v["train"]["alone"]}),
        "train.a b",
        "pattern",
    ),
    "a reserved name": (lambda v: v["train"].update(scout=v["train"]["alone"]), "train.scout", "is taken"),
    "a name twice": (
        lambda v: v["distill"].update(alone=v["distill"]["student"]),
        "distill.alone",
        "train.alone has this name",
    ),
    "a teacher that is none": (
        lambda v: v["distill"]["student"].update(teacher="teecher"),
        "distill.student.teacher",
        "'teacher'",
    ),
    "a teacher without targets": (
        lambda v: v["after"].update(targets=[]),
        "distill.student.targets",
        "add teacher to after.targets",
    ),
    "cached targets under another augmentation": (
        lambda v: v["distill"]["student"].update(augment="wild"),
        "distill.student.targets",
        "`targets: live`",
    ),
    "unlabelled faces that are none": (
        lambda v: v["data"].update(unlabelled="none"),
        "distill.student.mixing",
        "data.unlabelled is none",
    ),
    "labels that are none": (
        lambda v: v["data"].update(labelled="none"),
        "train.alone",
        "data.labelled is none",
    ),
    "clusters of a foreign model": (
        lambda v: (foreign(v), v["after"]["cluster"].append("big")),
        "after.cluster",
        "neither routing vectors nor maps",
    ),
    "an export of a foreign model": (
        lambda v: (foreign(v), v["after"]["export"].append("big")),
        "after.export",
        "'big' is a foreign model, which is an ONNX file already | take the file of foreign.big.weights",
    ),
    "an export of what is not measured": (
        lambda v: v["after"].update(evaluate=["teacher"]),
        "after.export",
        "'student' is not evaluated, .* | add student to after.evaluate",
    ),
    "an export that no face can check": (
        lambda v: v["data"].update(validation="none", benchmarks=[]),
        "after.export",
        "no face to check a file on",
    ),
    "clusters of nobody": (
        lambda v: v["data"].update(clustered="none"),
        "after.cluster",
        "data.clustered is none",
    ),
    "landmarks measured of no net": (
        lambda v: (v["data"].update(landmarked="none"), v["after"]["evaluate"].append("landmark")),
        "after.evaluate",
        "no landmark net is trained | name a dataset there, or take landmark out here",
    ),
    "landmarks measured by no protocol": (
        lambda v: (v["after"]["evaluate"].append("landmark"), v["protocols"].pop("landmarks")),
        "protocols",
        "the protocol landmarks, which is not there | add `landmarks: {}`",
    ),
    "an export of the landmark net": (
        lambda v: v["after"]["export"].append("landmark"),
        "after.export",
        "landmark",
    ),
    "a landmark net that nothing trains": (
        lambda v: (
            v["data"].update(landmarked="none"),
            v["distill"]["student"].update(landmark="data/models/landmark"),
        ),
        "distill.student.landmark",
        "data.landmarked is none",
    ),
    "a scout that nothing trains": (
        lambda v: v["data"].update(labelled="none"),
        "overlap.model",
        "data.labelled is none",
    ),
    "models that start from one another": (
        lambda v: (
            v["train"]["teacher"].update(SMALL, init="data/models/alone"),
            v["train"]["alone"].update(init="data/models/teacher"),
        ),
        "train.alone.init",
        "alone <- teacher <- alone",
    ),
    "students that teach one another": (
        lambda v: (
            v["distill"].update(other=v["distill"]["student"] | {"teacher": "student"}),
            v["distill"]["student"].update(teacher="other"),
        ),
        "distill.other.teacher",
        "other <- student <- other",
    ),
    "a teacher that starts from its student": (
        lambda v: v["train"]["teacher"].update(SMALL, init="data/models/student"),
        "train.teacher.init",
        "teacher <- student <- teacher",
    ),
    "a start from a foreign model": (
        lambda v: (foreign(v), v["train"]["alone"].update(init="data/models/big")),
        "train.alone.init",
        "foreign model, which is frozen",
    ),
    "widths that groups don't divide": (
        lambda v: v["backbones"]["ir"]["teacher"].update(width=[16, 16, 32, 66, 128]),
        "train.teacher.shape",
        "4 groups must divide 66",
    ),
    "a size that a net can't take": (
        lambda v: (
            v["crops"]["aligned"].update(image_size=72),
            v["train"]["alone"].update(backbone="mobilefacenet"),
        ),
        "train.alone.shape",
        "multiples of 16, got 72",
    ),
    "kd from a student that has no classifier": (
        lambda v: headless(v, "kd", "unlabelled_only"),
        "distill.second.loss",
        "kd is impossible: the teacher 'student' has no classifier",
    ),
    "mix-up with a student that has no classifier": (
        lambda v: headless(v, "fm", "default"),
        "distill.second.mixing",
        "mix-up .* is impossible",
    ),
    "a learning rate of nothing": (
        lambda v: v["schedules"]["sgd"].update(lr=0.0),
        "schedules.sgd.lr",
        "than 0",
    ),
    "a warm-up that never ends": (
        lambda v: v["schedules"]["sgd"].update(warmup=1.0),
        "schedules.sgd.warmup",
        "less than 1",
    ),
    "an empty batch": (lambda v: v["schedules"]["sgd"].update(batch=0), "schedules.sgd.batch", "equal to 1"),
    "a momentum of 1": (
        lambda v: v["schedules"]["sgd"].update(momentum=1.0),
        "schedules.sgd.momentum",
        "less than 1",
    ),
    "a negative decay": (
        lambda v: v["schedules"]["sgd"].update(weight_decay=-1.0),
        "schedules.sgd.weight_decay",
        "equal to 0",
    ),
    "steps that fall": (
        lambda v: v["schedules"]["arcface"].update(steps=[0.7, 0.5]),
        "schedules.arcface.steps",
        "steps rise",
    ),
    "a negative margin": (
        lambda v: v["heads"]["cosface"]["mild"].update(m=-0.1),
        "heads.cosface.mild.m",
        "equal to 0",
    ),
    "a scale of 0": (lambda v: v["heads"]["arcface"]["mild"].update(s=0.0), "heads.arcface.mild.s", "than 0"),
    "distractors of a world that has none": (
        lambda v: v["sizes"]["demo"]["world"]["test"].update(distractors=0),
        "sizes.demo.world.test.distractors",
        r"0: distractors would be empty \|.*or leave them out of datasets.synthetic_test.protocols",
    ),
    "one photograph of a kind": (
        lambda v: v["sizes"]["demo"]["world"]["test"].update(images=1),
        "sizes.demo.world.test.images",
        "front, wild, blurred, distractors, surveillance, splits would be empty .* 2 or more",
    ),
    "an open set without strangers": (
        lambda v: v["sizes"]["demo"]["world"]["test"].update(mated=0.999),
        "sizes.demo.world.test.mated",
        "0.999 of 60 people .*surveillance would be empty",
    ),
    "too few people for folds": (
        lambda v: v["sizes"]["demo"]["world"].update(
            labelled={"identities": 9, "images": 2},
            test={"identities": 14, "images": 4, "distractors": 3},
        ),
        "sizes.demo.world.test.identities",
        "11 people beside 3 distractors.*front, front_profile, young_old, wild, blurred .* 15 or more",
    ),
    "no end of pairs": (
        lambda v: v["sizes"]["demo"]["world"]["test"].update(pairs=100_000_000),
        "sizes.demo.world.test.pairs",
        "a whole number from 1 to 10000",
    ),
    "a share that is no number": (
        lambda v: v["worlds"]["home"]["race"].update(black=float("nan")),
        "worlds.home.race.black",
        "finite number.*from 0.* to 1",
    ),
    "test people who are trained on": (
        lambda v: v["datasets"]["synthetic_train"].update(part="test"),
        "datasets.synthetic_train.part",
        "for benchmarks alone, but data.labelled names this .*`part: labelled`",
    ),
    "choices made on test people": (
        lambda v: v["datasets"]["synthetic_validation"].update(part="test"),
        "datasets.synthetic_validation.part",
        "for benchmarks alone, but data.validation names this .*`part: validation`",
    ),
    "choices made on people who are trained on": (
        lambda v: v["datasets"]["synthetic_validation"].update(part="labelled"),
        "datasets.synthetic_validation.part",
        "data.validation has the people of synthetic_train then, which is data.labelled .*`part: validation`",
    ),
    "unlabelled faces of labelled people": (
        lambda v: v["datasets"]["synthetic_wild"].update(part="labelled"),
        "datasets.synthetic_wild.part",
        "data.unlabelled has the people of synthetic_train then, which is data.labelled .*`part: unlabelled`",
    ),
    "a benchmark of the people whom choices are made on": (
        lambda v: (
            v["datasets"].update(held={"source": "synthetic", "part": "validation"}),
            Path("data/raw/held").mkdir(),
            v["data"]["benchmarks"].append("held"),
        ),
        "datasets.held.part",
        "has the people of synthetic_validation then, which is data.validation .*`part: test`",
    ),
    "people planted from another world": (
        lambda v: v["datasets"]["synthetic_train"].update(planted_from="shifted"),
        "datasets.synthetic_train.planted_from",
        "'shifted': 20 people of synthetic_test .*world 'home' draws other faces .*`planted_from: home`",
    ),
    "a test of another world than who is planted": (
        lambda v: v["datasets"]["synthetic_test"].update(world="shifted"),
        "datasets.synthetic_train.planted_from",
        "'home': 20 people of synthetic_test .*world 'shifted' .*`planted_from: shifted`",
    ),
    "people planted in the test": (
        lambda v: v["datasets"]["synthetic_test"].update(planted_from="home"),
        "datasets.synthetic_test",
        "planted_from: nobody is planted in the part test",
    ),
    "more distractors than identities": (
        lambda v: v["sizes"]["demo"]["world"]["test"].update(distractors=1000),
        "sizes.demo.world.test",
        "distractors is 1000, but there are 80 identities",
    ),
    "a mutual rate below the other": (
        lambda v: v["overlap"].update(mutual_rate=1e-5),
        "overlap.mutual_rate",
        "1e-05 is not above the false-match rate of 0.0003",
    ),
    "no search for people among faces": (
        lambda v: v["overlap"].update(false_match_rate="none"),
        "overlap.false_match_rate",
        "none is for classes of objects .* but 'synthetic_train' may hold people",
    ),
    "a mutual rate of the size below the other": (
        lambda v: v["sizes"]["demo"]["overlap"].update(mutual_rate=1e-5),
        "sizes.demo.overlap.mutual_rate",
        "no effect",
    ),
    "mistakes to merge that nobody looks for": (
        lambda v: v["overlap"]["within"].update(merge=True, false_merges="none"),
        "overlap.within.merge",
        "false_merges is none",
    ),
    "mistakes to drop that nobody looks for": (
        lambda v: v["overlap"]["within"].update(drop=True, precision="none"),
        "overlap.within.drop",
        "precision is none",
    ),
    "rates of a world where nothing is drawn": (
        lambda v: [entry.update(source="none") for entry in v["datasets"].values()],
        "overlap.false_match_rate",
        "no dataset that is used is synthetic",
    ),
    "photos whose faces nobody finds": (
        lambda v: v["datasets"].update(synthetic_wild={"source": "folder"}),
        "datasets.synthetic_wild.detector",
        "a folder of photos has no boxes",
    ),
    "an unknown protocol": (
        lambda v: v["datasets"]["synthetic_test"]["protocols"].append("fornt"),
        "datasets.synthetic_test.protocols.9",
        "fornt",
    ),
    "protocols where one trains": (
        lambda v: v["datasets"]["synthetic_train"].update(protocols=["front"]),
        "datasets.synthetic_train",
        "the part labelled has none",
    ),
    "a tiny photograph": (
        lambda v: v["worlds"]["shifted"].update(image_size=16),
        "worlds.shifted.image_size",
        "equal to 32",
    ),
    "shares that don't sum to one": (
        lambda v: v["worlds"]["home"]["race"].update(white=0.5),
        "worlds.home",
        "race shares",
    ),
    "validation on a benchmark": (
        lambda v: v["data"].update(validation="synthetic_test"),
        "data.validation",
        "is a benchmark too",
    ),
    "a list outside the dataset": (
        lambda v: v["datasets"].update(mine={"source": "folder", "list": "/tmp/list.csv"}),
        "datasets.mine.list",
        "must lie inside data/raw",
    ),
    "pairs outside the dataset": (
        lambda v: v["datasets"].update(mine={"source": "pairs", "pairs": "../pairs.txt"}),
        "datasets.mine.pairs",
        "must lie inside data/raw",
    ),
    "detections outside the dataset": (
        lambda v: v["datasets"].update(
            mine={"source": "folder", "detector": "file", "detections": "../d.json"}
        ),
        "datasets.mine.detections",
        "must lie inside data/raw",
    ),
    "terms of use that say nothing": (
        lambda v: v["datasets"]["synthetic_wild"].update(terms=""),
        "datasets.synthetic_wild.terms",
        "at least 1 character",
    ),
    "a file detector without its file": (
        lambda v: v["datasets"].update(mine={"source": "folder", "detector": "file"}),
        "datasets.mine.detections",
        "missing",
    ),
    "an annotator's own param": (
        lambda v: v["annotators"]["pose"].update(titl=10.0),
        "annotators.pose.titl",
        "'tilt'",
    ),
    "a clustering loss on a plain model": (
        lambda v: v["train"]["alone"].update(cluster="kmeans"),
        "train.alone.cluster",
        "conv plain has none",
    ),
    "a weight that is missing": (
        lambda v: v["losses"]["kd"].update(kd={"T": 4.0}),
        "losses.kd.kd.weight",
        "missing",
    ),
    "a loss's own param": (
        lambda v: v["losses"]["kd"]["kd"].update(temperature=4.0),
        "losses.kd.kd.temperature",
        "unknown key",
    ),
    "a dataset whose raw folder is missing": (
        lambda v: (v["datasets"].update(mine={"source": "folder"}), v["data"].update(unlabelled="mine")),
        "datasets.mine",
        "put your faces or a link to them at data/raw/mine",
    ),
    "a world whose raw folder is missing": (
        lambda v: (
            v["datasets"].update(new=v["datasets"]["synthetic_wild"]),
            v["data"].update(unlabelled="new"),
        ),
        "datasets.new",
        "mkdir -p data/raw/new",
    ),
    "a world that is none": (
        lambda v: v["datasets"]["synthetic_wild"].update(world="shiftet"),
        "datasets.synthetic_wild.world",
        "'shifted'",
    ),
    "an option of no source": (
        lambda v: v["datasets"]["synthetic_wild"].update(wrld="home"),
        "datasets.synthetic_wild.wrld",
        "'world'",
    ),
    "a key that every dataset may have": (
        lambda v: v["datasets"]["synthetic_wild"].update(detctor="source"),
        "datasets.synthetic_wild.detctor",
        "'detector'",
    ),
    "the key source itself": (
        lambda v: rename(v["datasets"]["synthetic_wild"], "source", "sorce"),
        "datasets.synthetic_wild.sorce",
        "unknown key .*'source'",
    ),
    "an entry without a source": (
        lambda v: v["datasets"]["synthetic_wild"].pop("source"),
        "datasets.synthetic_wild.source",
        "missing .*one of: folder, .*synthetic",
    ),
    "an annotator that is none": (
        lambda v: v["datasets"]["synthetic_wild"].update(annotators=["truht"]),
        "datasets.synthetic_wild.annotators",
        "'truth'",
    ),
    "crops of two sizes": (
        lambda v: (
            v["crops"]["tight"].update(image_size=96),
            v["datasets"]["synthetic_wild"].update(crop="tight"),
        ),
        "crops",
        "different sizes",
    ),
    "a detector for faces that are cropped already": (
        lambda v: v["datasets"].update(mine={"source": "recordio", "crop": "as_is", "detector": "yunet"}),
        "datasets.mine.detector",
        "finds nothing: crop 'as_is' takes images and landmarks as they are",
    ),
    "all faces of photos whose label is one face's": (
        lambda v: (
            v["datasets"]["synthetic_train"].update(detector="file", detections="d.json", faces="all"),
            v["datasets"]["synthetic_wild"].update(detector="file", detections="d.json", faces="all"),
        ),
        "datasets.synthetic_train.faces",
        "nobody says whose label an image of several faces has",
    ),
    "a choice among the faces of a source that gives one": (
        lambda v: v["datasets"]["synthetic_wild"].update(faces="largest"),
        "datasets.synthetic_wild.faces",
        "the source gives one face an image",
    ),
    "a rule for several faces that does not exist": (
        lambda v: v["datasets"].update(mine={"source": "folder", "detector": "yunet", "faces": "biggest"}),
        "datasets.mine.faces",
        "'prominent', 'largest', 'central' or 'all'",
    ),
    "a balanced set of what nothing prepares before it": (
        lambda v: (
            v.update(balanced={"even": {"of": ["synthetic_wild", "none"]}}),
            v["datasets"].update(even={"source": "shards", "crop": "as_is"}),
        ),
        "balanced.even.of",
        "no role but `clustered` names 'none'",
    ),
    "a balanced set that nothing reads": (
        lambda v: v.update(balanced={"even": {"of": ["synthetic_wild"]}}),
        "datasets.even",
        "a balanced set is read as a dataset of that name",
    ),
    "a detector without weights": (
        lambda v: v["datasets"]["synthetic_wild"].update(detector="yunet"),
        "detectors.yunet.weights",
        "holds no weights",
    ),
    "people who are trained on and tested on": (
        lambda v: v["data"].update(benchmarks=["synthetic_train"]),
        "data",
        "trained on and tested on",
    ),
    "a path to no model": (
        lambda v: v["train"]["teacher"].update(init="data/models/teechr"),
        "train.teacher.init",
        "no model",
    ),
    "an overlap model that comes too late": (
        lambda v: v["overlap"].update(model="data/models/teacher"),
        "overlap.model",
        "one of: scout",
    ),
    "a world with too many planted people": (
        lambda v: v["sizes"]["demo"]["world"]["labelled"].update(planted=400),
        "sizes.demo.world",
        "200 identities",
    ),
    "a negative seed": (
        lambda v: v["train"]["alone"].update(seed=-1),
        "train.alone.seed",
        "greater than or equal",
    ),
    "epochs in words": (lambda v: v["scout"].update(epochs="long"), "scout.epochs", "should be 'size'"),
    "a foreign model's weights": (
        lambda v: (foreign(v), v["foreign"]["big"].update(weights="no.onnx")),
        "foreign.big.weights",
        "does not exist",
    ),
    "a foreign model of another size": (
        lambda v: (foreign(v), v["backbones"]["foreign"]["ms1m"].update(image_size=99)),
        "foreign.big",
        "takes images of 99 px",
    ),
    "kd from a foreign teacher": (lambda v: foreign(v, "kd"), "distill.student.loss", "no classifier.*fm"),
    "sr from a foreign teacher": (
        lambda v: foreign(v, "srrl"),
        "distill.student.loss",
        "sr is impossible.*fm",
    ),
    "mix-up with a foreign teacher": (
        lambda v: foreign(v, "fm", "default"),
        "distill.student.mixing",
        "mix-up .* is impossible.*fm",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_mistake_is_told_where_it_is(spoil, case):
    change, path, told = CASES[case]
    found = spoil(change)
    assert path in found, found
    assert re.search(told, found[path]), found[path]


SLIPS = {  # one mistake -> the only problems that are told: path -> what would be right
    "the key source of a dataset": (
        lambda v: rename(v["datasets"]["synthetic_wild"], "source", "sorce"),
        {"datasets.synthetic_wild.sorce": "did you mean 'source'?"},
    ),
    "a section's name": (lambda v: rename(v, "heads", "heds"), {"heds": "did you mean 'heads'?"}),
    "the name of a section of models": (
        lambda v: rename(v, "distill", "distil"),
        {"distil": "did you mean 'distill'?"},
    ),
    "a scalar's name": (lambda v: rename(v, "size", "sise"), {"sise": "did you mean 'size'?"}),
    "a plugin's name": (
        lambda v: rename(v["heads"], "cosface", "cosfce"),
        {"heads.cosfce": "did you mean 'cosface'?"},
    ),
    "a section that is missing": (lambda v: v.pop("heads"), {"heads": "a map"}),
    "roles that are missing": (
        lambda v: v.pop("data"),
        {"data": "a map of labelled, unlabelled, landmarked, validation, clustered, benchmarks"},
    ),
    "a section that is empty": (lambda v: v.update(train=None), {"train": "a map"}),
    "a slip within a section under a wrong name": (
        lambda v: (v["heads"]["cosface"]["mild"].update(mm=1.0), rename(v, "heads", "heds")),
        {"heds": "did you mean 'heads'?", "heads.cosface.mild.mm": "did you mean 'm'?"},
    ),
}


def rename(values, old, new):
    values[new] = values.pop(old)


@pytest.mark.parametrize("case", SLIPS)
def test_a_cause_is_told_without_its_consequences(spoil, case):
    change, right = SLIPS[case]
    assert {path: told.split(" | ")[1] for path, told in spoil(change).items()} == right


def test_what_would_be_right_is_told_of_every_kind_of_wrong_value(spoil):
    def change(values):
        values["limits"]["set_aside"] = 1.5
        values["overlap"]["false_match_rate"] = "often"
        values["clustering"]["classes"] = 1
        values["scout"] |= {"epochs": 0, "seed": 1.5, "holdout": 1.0}
        values["after"]["targets"] = "teacher"
        values["schedules"]["sgd"] |= {"lr": "fast", "decay": "cosin"}
        values["distill"]["student"]["targets"] = "chached"
        values["crops"]["aligned"] |= {"image_size": 8, "method": "alinged"}
        values["heads"]["cosface"]["mild"]["s"] = "adaptiv"
        values["train"]["a b"] = values["train"]["alone"]
        values["losses"]["kd"]["kd"]["weight"] = -1
        values["backbones"]["ir"]["student"]["depth"] = 3

    right = {path: told.split(" | ")[1] for path, told in spoil(change).items()}
    assert right["limits.set_aside"] == "a number from 0 to 1"
    assert right["overlap.false_match_rate"] == "a number above 0 and below 1, or size, or none"
    assert right["clustering.classes"] == "a whole number of 2 or more"
    assert right["scout.epochs"] == "a whole number of 1 or more, or size"
    assert right["scout.seed"] == "a whole number of 0 or more"
    assert right["scout.holdout"] == "a number of 0 or more and below 1"
    assert right["after.targets"] == "a list, each of which is text"
    assert right["schedules.sgd.lr"] == "a number above 0"
    assert right["schedules.sgd.decay"] == "one of: cosine, steps, constant"
    assert right["distill.student.targets"] == "one of: cached, live"
    assert right["crops.aligned.image_size"] == "a whole number from 16 to 1024"
    assert right["crops.aligned.method"] == "one of: aligned, unaligned, as_is"
    assert right["heads.cosface.mild.s"] == "a number above 0, or adaptive"
    assert right["train.a b"] == "letters, digits, _ and -, a letter or digit first"
    assert right["losses.kd.kd.weight"] == "a number of 0 or more"
    assert right["backbones.ir.student.depth"].startswith("a list")


def test_a_name_near_a_section_that_is_there_is_not_taken_for_it(spoil):
    assert spoil(lambda v: v.update(heds={"nothing": {}})) == {"heds": "unknown key | did you mean 'heads'?"}


def test_what_does_not_need_the_missing_section_is_told(spoil):
    found = spoil(lambda v: (v.pop("heads"), v["data"].update(unlabelled="wlid"), v["scout"].update(seed=-1)))
    assert set(found) == {"heads", "data.unlabelled", "scout.seed"}


def test_nets_are_tried_without_what_takes_long_to_load():
    """Neither torch's compiler, which first weights would load, nor what only training or tracking needs."""
    heavy = "torch._dynamo, albumentations, onnxruntime, mlflow, prefect, matplotlib, sklearn"
    code = (
        "import sys; from pipeline import params; assert not params.check(), params.check()\n"
        f"print([name for name in '{heavy}'.split(', ') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_what_is_possible_is_not_refused(spoil):
    assert spoil(foreign) == {}
    assert spoil(lambda v: v["distill"]["student"].update(augment="wild", targets="live")) == {}
    assert spoil(lambda v: v["after"]["cluster"].append("alone")) == {}, "pooled features are clustered"
    assert spoil(lambda v: v["after"]["evaluate"].append("landmark")) == {}
    assert spoil(lambda v: v["train"]["alone"].update(init="data/models/student")) == {}
    assert spoil(lambda v: headless(v, "fm", "unlabelled")) == {}
    assert spoil(lambda v: v["annotators"]["pose"].update(tilt=10.0)) == {}
    assert spoil(lambda v: v["datasets"]["synthetic_wild"].pop("terms")) == {}
    test_in_other_light = {"source": "synthetic", "part": "test", "world": "dim"}

    def worlds_that_agree(values):
        values["worlds"]["dim"] = {"light": 0.5}
        values["datasets"]["synthetic_test"]["world"] = "dim"
        values["datasets"]["landmarks"] = values["datasets"]["synthetic_train"] | {"world": "shifted"}
        values["datasets"]["landmarks"]["planted_from"] = "dim"
        values["data"]["landmarked"] = values["data"]["clustered"] = "landmarks"

    def two_tests(values):
        values["worlds"]["dim"] = {"light": 0.5}
        values["datasets"]["second"] = test_in_other_light
        values["data"]["benchmarks"].append("second")

    for name in ("landmarks", "second"):
        Path("data/raw", name).mkdir()
    assert spoil(worlds_that_agree) == {}
    assert spoil(two_tests) == {}

    def a_shifted_test(values):
        values["datasets"]["synthetic_test"]["world"] = "shifted"
        values["datasets"]["synthetic_train"]["planted_from"] = "shifted"

    assert spoil(a_shifted_test) == {}

    def nothing_labelled(values):
        foreign(values, "fm", "only")
        values["mixings"]["only"] = {
            "recognition": 0.0,
            "labelled": 0.0,
            "unlabelled": 1.0,
            "batch_unlabelled": 64,
        }
        values["data"] |= {
            "labelled": "none",
            "landmarked": "none",
            "validation": "none",
            "clustered": "none",
        }
        values["train"] = {}
        values["overlap"]["model"] = "data/models/big"
        values["after"] = {"targets": ["big"], "cluster": [], "evaluate": ["big", "student"], "export": []}

    assert spoil(nothing_labelled) == {}


def test_decisions_about_overlap_are_read(spoil, tmp_path):
    entry = "- {dataset: synthetic_train, who: x, benchmark: synthetic_tset, matched: y, verdict: accept}\n"
    (tmp_path / "data" / "overlap" / "decisions.yaml").write_text(entry)
    told = spoil()["data/overlap/decisions.yaml, entry 1"]
    assert "'synthetic_tset' is not compared here, but synthetic_test, synthetic_validation" in told
    assert (
        "data/elsewhere does not exist"
        in (spoil(lambda v: v["overlap"].update(decisions="data/elsewhere"))["overlap.decisions"])
    )
    assert spoil(lambda v: v["overlap"].update(decisions="data/models/none")) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1\nb: 2\n", "params.yaml:2: not YAML"),
        (
            "size: demo\nheads: {}\nsize: smoke\n",
            "params.yaml:3: size is given twice, in lines 1 and 3 - keep one of them",
        ),
        ("a: {b: {c: 1,\n  c: 2}}\n", "params.yaml:2: a.b.c is given twice, in lines 1 and 2"),
        ("a:\n\tb: 1\n", "indent with blanks, not with tabs"),
        ("- 1\n", "should be a map"),
        ("", "should be a map"),
    ],
)
def test_what_is_no_yaml_is_one_problem_with_its_line(tmp_path, text, told, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(text)
    problems = params.check()
    assert len(problems) == 1
    assert told in str(problems[0])
    with pytest.raises(params.ParamsError, match=re.escape(told)):
        params.require()


def test_values_of_wrong_types_everywhere_are_told_and_not_stumbled_over(spoil):
    """A map becomes a word, a word a map, at every fifth key: a list of problems comes back, no exception."""

    def paths(tree, prefix=()):
        for key, value in tree.items():
            yield (*prefix, key)
            if isinstance(value, dict) and len(prefix) < 2:
                yield from paths(value, (*prefix, key))

    values, _ = params.read(ROOT / "params.yaml")
    for path in list(paths(values))[::5]:
        spoilt = copy.deepcopy(values)
        place = spoilt
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = "word" if isinstance(place[path[-1]], dict) else {"a": {"map": 1}}
        Path("params.yaml").write_text(json.dumps(spoilt))  # every JSON is YAML
        assert params.check(), path
