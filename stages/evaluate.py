"""Test one model on every benchmark, by every protocol of the params that is meant for its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline import files, model, plugin, stage
from pipeline.backbones import foreign
from pipeline.evaluate import summary, written
from pipeline.evaluate.bench import ModelBench
from pipeline.evaluate.pointed import LandmarkBench

NOT_AUDITABLE = "overlap not auditable: nobody knows which people this model was trained on"


def main(run: stage.Run) -> None:
    name, folder = str(run.item), Path("data/models") / str(run.item)
    spec, bench = opened(run, folder)
    metrics = about(spec, bench)
    with files.writing_dir(run.prepared / "evaluate" / name) as out:
        net = spec.kind == "landmark"
        asked = {
            key: one for key, one in run.params["protocols"].items() if (key == written.LANDMARKS) == net
        }
        with run.progress(len(asked), f"evaluate {name}") as progress:
            for protocol, values in sorted(asked.items()):
                module = plugin.load("protocols", protocol)
                result = module.build(module.Params(**values)).evaluate(bench)
                metrics[protocol] = result.metrics
                run.side[protocol] = result.side
                written.write(out, protocol, result, bench.datasets)
                progress.advance()
    run.metrics(metrics)
    run.say(summary.line(metrics))
    for picture in sorted((run.prepared / "evaluate" / name).iterdir()):
        if picture.suffix in (".png", ".jpg"):
            run.figure(picture, f"evaluate/{picture.name}")


def opened(run: stage.Run, folder: Path) -> tuple[model.ModelSpec, ModelBench | LandmarkBench]:
    """The model in a folder, and its bench."""
    crops, described = Path("data/benchmarks/crop"), Path("data/benchmarks/annotate")
    folders = {benchmark: crops / benchmark for benchmark in run.params["data"]["benchmarks"]}
    known = {benchmark: described / benchmark for benchmark in folders}
    if model.load_spec(folder).kind == "landmark":
        spec, net = model.load_landmark(folder)
        return spec, LandmarkBench(spec, net, folders, run.runtime, known)
    tested, onnx = model.load(folder), folder / foreign.ONNX
    return tested.spec, ModelBench(tested, folders, run.runtime, onnx if onnx.exists() else None, known)


def about(spec: model.ModelSpec, bench: ModelBench | LandmarkBench) -> dict[str, Any]:
    """What a reader must know of the model to judge its numbers."""
    crops = {name: data.about.get("crop") for name, data in bench.datasets.items()}
    facts: dict[str, Any] = {
        "model": spec.name,
        "kind": spec.kind,
        "backbone": spec.backbone,
        "conv": spec.conv,
    }
    facts |= {"checkpoint": "as published" if spec.kind == "foreign" else "last epoch", "epochs": spec.epochs}
    facts |= {"size": spec.size, "crop": crops, "auditable": spec.auditable}
    blur = {name: data.about["blur"] for name, data in bench.datasets.items() if data.about.get("blur")}
    facts |= {"blur": blur} if blur else {}
    return facts if spec.auditable else {**facts, "audit": NOT_AUDITABLE}


if __name__ == "__main__":
    stage.execute(main)
