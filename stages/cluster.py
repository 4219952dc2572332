"""Do routing vectors know age, gender, race and pose? Clusters of one model's faces against annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from torch import Tensor

from pipeline import clusters as losses
from pipeline import files, model, records, stage
from pipeline.contracts import Outputs
from pipeline.evaluate import clusters, embed, figures, gallery
from pipeline.loader import Faces

Views = dict[str, npt.NDArray[np.float32]]


def main(run: stage.Run) -> None:
    name, dataset, settings = str(run.item), run.params["data"]["clustered"], run.params["clustering"]
    annotations = records.read_parquet(run.prepared / "annotate" / dataset / "annotations.parquet")
    cohorts = clusters.annotated(annotations, settings["sample"], settings["seed"])
    unused = set(annotations["sample_id"]) - set(cohorts.frame["sample_id"])
    faces = Faces(run.prepared / "crop" / dataset, exclude=unused)
    cohorts = cohorts.ordered(faces.sample_ids)
    folder = Path("data/models") / name
    trained = losses.load_classifier(folder) if (folder / losses.FILE).exists() else None
    views = read(run, model.load(folder).recogniser, faces)
    found = clusters.study(views, cohorts, settings["classes"], settings["seed"], trained)
    shown = next(iter(found.labels))  # the classifier's clusters where there is one

    out = run.prepared / "cluster" / name
    attributes = cohorts.frame[cohorts.attributes]
    with files.writing_dir(out) as aside:
        table = pd.DataFrame({"sample_id": faces.sample_ids, "cohort": cohorts.codes, **found.labels})
        records.write_parquet(aside / "clusters.parquet", pa.Table.from_pandas(table, preserve_index=False))
        gallery.maps(views, attributes, settings["seed"], aside / "tsne.png")
        figures.histograms(found.cosines, "cosine of two centroids", aside / "centroids.png")
        values = next(iter(views.values()))
        gallery.gallery(
            found.labels[shown], values, attributes, faces, settings["gallery"], aside / "gallery.png"
        )
    counts = {"dataset": dataset, "faces": len(faces), "left_out": cohorts.left_out, "shown": shown}
    known = {"cohorts": len(np.unique(cohorts.codes)), "attributes": ", ".join(cohorts.attributes)}
    run.metrics({**counts, **known, **settings, "kmeans_seeds": clusters.SEEDS, **found.numbers})
    for path in sorted(out.glob("*.png")):
        run.figure(path, f"cluster/{path.name}")


def read(run: stage.Run, recogniser: model.Recogniser, faces: Faces) -> Views:
    """Routing vectors (where the model has them) and pooled features of every face."""
    width: dict[str, int] = {}

    def look(outputs: Outputs) -> Tensor:
        width.update(clusters.widths(outputs))
        return clusters.features(outputs)

    with run.progress(len(faces), "look at faces") as progress:
        both = embed.survey(recogniser, faces, look, run.runtime, progress=progress).numpy()
    parts = {"routing": both[:, : width["routing"]], "pooled": both[:, width["routing"] :]}
    return {view: values for view, values in parts.items() if values.shape[1]}


if __name__ == "__main__":
    stage.execute(main)
