"""Writes a model as an ONNX file that needs nothing of ours, holds it against torch, and makes its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from pipeline import export, files, model, records, stage
from pipeline.evaluate import cost
from pipeline.loader import Faces
from pipeline.report import card

CHECKED = 256  # faces on which the file is held against torch, spread evenly over a dataset
TRACKED = 200_000_000  # bytes up to which the file itself goes to tracking


def main(run: stage.Run) -> None:
    name, folder = str(run.item), Path("data/models") / str(run.item)
    loaded = model.load(folder)
    dataset, crops = faces_of(run)
    given = card.contract(loaded.spec.size, records.Dataset(crops).about)
    out = run.prepared / "export" / name
    with files.writing_dir(out) as aside:
        path = aside / "model.onnx"
        path.write_bytes(export.to_onnx(loaded.recogniser, {"model": name, "input": card.in_a_line(given)}))
        faces = some_of(crops)
        apart = export.check(loaded.recogniser, path, faces)
        facts = {**export.about(path, folder), "flops": cost.graph_size(path)["flops"], "faces": len(faces)}
        facts |= {"dataset": dataset, "batches": {str(n): value for n, value in apart.items()}}
        facts |= {"difference": max(apart.values()), "tolerance": export.TOLERANCE}
        described = card.describe(
            loaded.spec,
            contract=given,
            cost=cost.size(loaded.recogniser),
            export=facts,
            catalogue=run.params["datasets"],
            overlap=files.read_json("data/metrics/overlap.json"),
            evaluated=files.read_json(f"data/metrics/evaluate/{name}.json"),
            benchmarks=run.params["data"]["benchmarks"],
        )
        files.write_json(aside / "card.json", described)
        files.write_text(aside / "card.html", card.page(described))
    run.metrics(facts)
    run.figure(out / "card.html", f"export/{name}.html")
    if facts["bytes"] <= TRACKED:
        run.artifact(out / "model.onnx", f"{name}.onnx")


def faces_of(run: stage.Run) -> tuple[str, Path]:
    """A dataset and its folder: validation faces, or a benchmark's, of which nothing but pixels is asked."""
    validation, benchmarks = (run.params["data"][role] for role in ("validation", "benchmarks"))
    if validation != "none":
        return validation, run.prepared / "crop" / validation
    if not benchmarks:
        raise export.ExportError("data: validation is none and benchmarks are empty: no face to check on")
    return benchmarks[0], Path("data/benchmarks/crop") / benchmarks[0]


def some_of(crops: Path) -> Tensor:
    faces = Faces(crops)
    return faces.images(np.unique(np.linspace(0, len(faces) - 1, CHECKED).round().astype(np.int64)))


if __name__ == "__main__":
    stage.execute(main)
