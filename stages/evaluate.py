"""Test one model on every benchmark, by every protocol of the params."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import files, model, plugin, records, stage
from pipeline.evaluate import figures, summary, verification
from pipeline.evaluate.bench import ModelBench

NOT_AUDITABLE = "overlap not auditable: nobody knows which people this model was trained on"


def main(run: stage.Run) -> None:
    name, folder = str(run.item), Path("data/models") / str(run.item)
    tested = model.load(folder)
    onnx = folder / "model.onnx"
    crops = Path("data/benchmarks/crop")
    folders = {benchmark: crops / benchmark for benchmark in run.params["data"]["benchmarks"]}
    described = {benchmark: Path("data/benchmarks/annotate") / benchmark for benchmark in folders}
    bench = ModelBench(tested, folders, run.runtime, onnx if onnx.exists() else None, described)
    metrics = about(tested.spec, bench)
    with files.writing_dir(run.prepared / "evaluate" / name) as out:
        protocols = run.params["protocols"]
        with run.progress(len(protocols), f"evaluate {name}") as progress:
            for protocol, values in sorted(protocols.items()):
                module = plugin.load("protocols", protocol)
                result = module.build(module.Params(**values)).evaluate(bench)
                metrics[protocol] = result.metrics
                run.side[protocol] = result.side
                for table, frame in result.tables.items():
                    rows = pa.Table.from_pandas(frame, preserve_index=False)
                    records.write_parquet(out / f"{table}.parquet", rows.replace_schema_metadata())
                if result.curves:
                    files.write_json(out / f"{protocol}_roc.json", result.curves)
                    figures.roc(result.curves, out / f"{protocol}_roc.png")
                if result.cmc:
                    files.write_json(out / f"{protocol}_cmc.json", result.cmc)
                    figures.cmc(result.cmc, out / f"{protocol}_cmc.png")
                if protocol == "fairness" and result.tables:
                    figures.errors(result.metrics["benchmarks"], out / "errors.png")
                progress.advance()
                if protocol == "pairs" and result.tables:
                    verification.draw(out, result.tables["scores"], result.curves, bench.datasets)
    run.metrics(metrics)
    run.say(summary.line(metrics))
    for picture in sorted((run.prepared / "evaluate" / name).iterdir()):
        if picture.suffix in (".png", ".jpg"):
            run.figure(picture, f"evaluate/{picture.name}")


def about(spec: model.ModelSpec, bench: ModelBench) -> dict[str, Any]:
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
    return facts if spec.auditable else {**facts, "audit": NOT_AUDITABLE}


if __name__ == "__main__":
    stage.execute(main)
