"""A small `data/` folder as the stages leave it, made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import files, records
from pipeline.report import page

IR = {"backbone": "ir", "conv": "plain", "head": "cosface"}
PARAMS: dict[str, Any] = {
    "size": "smoke",
    "data": {
        "labelled": "home",
        "unlabelled": "wild",
        "landmarked": "home",
        "validation": "none",
        "clustered": "wild",
        "benchmarks": ["bench"],
    },
    "foreign": {"expert": {"weights": "x.onnx", "preset": "ms1m"}},
    "train": {
        "teacher": {**IR, "shape": "teacher", "conv": "dynamic_group", "cluster": "kmeans"},
        "alone": {**IR, "shape": "student", "cluster": "none"},
    },
    "distill": {
        "student": {**IR, "shape": "student", "teacher": "teacher", "loss": "srrl", "mixing": "default"}
    },
    "after": {
        "cluster": ["teacher"],
        "evaluate": ["expert", "teacher", "alone", "student"],
        "export": ["student"],
    },
}
LISTS = ("bench_front", "bench_wild")
EVALUATED = {"expert": 0.99, "teacher": 0.95, "alone": 0.8, "student": 0.9}
PEOPLE = 12


def face(rng: np.random.Generator) -> bytes:
    coarse = rng.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return records.encode(np.repeat(np.repeat(coarse, 4, 0), 4, 1), quality=90)


def make_dataset(folder: Path, identities: int, each: int, known: bool, pairs: bool) -> None:
    rng = np.random.default_rng(len(folder.name))
    folder.mkdir(parents=True)
    writer = records.Writer(folder)
    for person in range(identities):
        for shot in range(each + person % 2):
            name = f"p{person}" if known else None
            writer.add(records.Sample(f"{person}/{shot}", face(rng), identity=name, name=name))
    writer.skip("bad/1", "only 100 of 200 bytes")
    writer.skip("bad/2", "only 150 of 300 bytes")
    writer.skip("bad/3", "no face found")
    rows = [
        {"protocol": name, "fold": 0, "a": "0/0", "b": f"{other}/{1 - min(1, other)}", "same": other == 0}
        for name in LISTS
        for other in range(3)
    ]
    writer.close({}, records.pair_table(rows) if pairs else None)


def make_annotations(folder: Path, rows: int) -> None:
    folder.mkdir(parents=True)
    codes = {"age_group": 3, "gender": 2, "race": 5, "pitch": 3, "yaw": 3}
    table = pd.DataFrame({name: np.arange(rows) % size for name, size in codes.items()}).astype("int8")
    table.loc[0, "gender"] = -1
    table.to_parquet(folder / "annotations.parquet")


def make_evaluation(data: Path, model: str, accuracy: float) -> None:
    seen = {"mean": accuracy, "std": 0.01, "low": accuracy - 0.02, "high": accuracy + 0.01}
    tar = {"far": 0.01, "tar": accuracy - 0.1, "low": None, "high": None, "supported": False}
    none = {"far": 0.001, "tar": None, "low": None, "high": None, "supported": False}
    numbers = {"accuracy": seen, "tar_at_far": [tar, none], "eer": 0.1, "auc": 0.9}
    lists = {name: numbers for name in LISTS}
    metrics = {
        "pairs": {
            "settings": {"flip": "concat", "interval": "95 %", "fars": [0.25, 0.001]},
            "benchmarks": {"bench": lists},
        },
        "cost": {"parameters": int(1e6 * accuracy), "flops": 5e6, "embedding": 128, "embedding_bytes": 512},
        "auditable": model != "expert",
    }
    if not metrics["auditable"]:
        metrics["audit"] = "overlap not auditable: nobody knows which people this model was trained on"
    files.write_json(data / "metrics/evaluate" / f"{model}.json", metrics)
    folder = data / "prepared/evaluate" / model
    curve = {"far": [0.0, 0.001, 0.1, 1.0], "tar": [0.0, accuracy - 0.1, accuracy, 1.0]}
    files.write_json(folder / "pairs_roc.json", {"bench": dict.fromkeys(LISTS, curve)})
    scored(accuracy).to_parquet(folder / "scores.parquet")
    times = {"cost": {"milliseconds": [{"batch": 1, "ms": 3.2, "threads": 2, "device": "cpu"}]}}
    make_run(data, f"evaluate/{model}", times)


def scored(accuracy: float) -> pd.DataFrame:
    """Both lists: PEOPLE genuine pairs and as many impostor ones, the first share of them decided rightly."""
    people = np.arange(PEOPLE)
    rows = []
    for name in LISTS:
        for same, other in ((True, people), (False, (people + 1) % PEOPLE)):
            correct = people < round(accuracy * PEOPLE)
            part = {"a": [f"{p}/0" for p in people], "b": [f"{o}/1" for o in other], "same": same}
            table = pd.DataFrame({**part, "correct": correct, "person_a": people, "person_b": other})
            score = np.where(correct, float(same), 0.5) + 1e-3 * people
            rows.append(table.assign(benchmark="bench", protocol=name, fold=people % 2, score=score))
    return pd.concat(rows, ignore_index=True)


def make_run(data: Path, name: str, more: dict[str, Any] | None = None) -> None:
    record = {"seconds": 12.5, "peak_memory_mb": 321.0, "machine": {"cores": 2}, **(more or {})}
    files.write_json(data / "runs" / f"{name}.json", record)


def make_training(data: Path) -> None:
    curves = [
        {"epoch": float(e), "rate": 0.1, "loss": 4.0 - e, "recognition": 4.0 - e, "accuracy": 0.7 + 0.1 * e}
        for e in range(3)
    ]
    told = {"faces": 40, "identities": 6, "epochs": 3, "last": curves[-1], "curves": curves}
    for name in ("teacher", "alone"):
        files.write_json(data / "metrics/train" / f"{name}.json", told)
        make_run(data, f"train/{name}")
    terms = [{**row, "labelled_fm": 0.2, "mixed": 0.5} for row in curves]
    student = {**told, "curves": terms, "faces": {"home": 40, "wild": 30}, "teacher_student": {"cosine": 0.9}}
    files.write_json(data / "metrics/distill/student.json", student)
    files.write_json(data / "metrics/scout.json", {**told, "held_out": 2})
    landmark = [{"epoch": 0.0, "rate": 0.1, "loss": 0.5, "validation/nme": 0.08}]
    files.write_json(
        data / "metrics/landmark.json", {"faces": 40, "epochs": 1, "last": landmark[-1], "curves": landmark}
    )


def make_overlap(data: Path) -> None:
    counts = {"faces": 40, "people": 6, "removed_faces": 8, "removed_people": 2}
    counts |= {"by_name": 0, "by_embedding": 6, "by_mutual": 2, "roles": ["labelled", "landmarked"]}
    counts |= {"expected_false_removals": 0.0123, "supported": False}
    limit = {"value": 0.61, "rate": 1e-5, "impostors": 900, "method": "tail", "highest": 0.6}
    files.write_json(
        data / "metrics/overlap.json",
        {
            **{
                "model": "data/models/scout",
                "false_match_rate": 1e-5,
                "mutual_rate": 1e-3,
                "removed": {"home": counts},
            },
            "thresholds": {"person-person": limit},
        },
    )
    for name in ("similarity", "removed"):
        rng = np.random.default_rng(1)
        picture = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        files.write_bytes(data / f"prepared/overlap/evidence/{name}.png", records.encode(picture, 101))


def make_export(data: Path) -> None:
    told = {"bytes": 654321, "difference": 2.1e-07, "faces": 256}
    files.write_json(data / "metrics/export/student.json", told)


def make_clusters(data: Path) -> None:
    seen = {"purity": {"mean": 0.4, "std": 0.01}, "ami": {"mean": 0.22, "std": 0.02}}
    routing = {"classifier": {"purity": 0.45, "ami": 0.31, "ami_yaw": 0.4}, "kmeans_cosine": seen}
    told = {"dataset": "wild", "shown": "classifier", "routing": routing, "pooled": {"kmeans_cosine": seen}}
    files.write_json(data / "metrics/cluster/teacher.json", told)
    picture = np.zeros((8, 8, 3), np.uint8)
    files.write_bytes(data / "prepared/cluster/teacher/tsne.png", records.encode(picture, 101))


def make_all(data: Path) -> Path:
    make_dataset(data / "prepared/crop/home", 6, 6, known=True, pairs=False)
    make_dataset(data / "prepared/crop/wild", 5, 4, known=False, pairs=False)
    make_dataset(data / "benchmarks/crop/bench", 4, 2, known=True, pairs=True)
    make_annotations(data / "prepared/annotate/home", 39)
    make_overlap(data)
    make_training(data)
    for model, accuracy in EVALUATED.items():
        make_evaluation(data, model, accuracy)
    make_clusters(data)
    make_export(data)
    return data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole folder; tests only read it."""
    return make_all(tmp_path_factory.mktemp("report") / "data")


@pytest.fixture(scope="session")
def params() -> dict[str, Any]:
    return PARAMS


@pytest.fixture(scope="session")
def html(data: Path, params: dict[str, Any]) -> str:
    return page.build(data, params)
