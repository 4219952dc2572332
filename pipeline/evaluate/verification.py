"""Pictures of how one model verifies: DET curves, histograms of scores, the pairs that are hardest for it.

`scores` are pairs of images, a row each: benchmark, protocol (the list), a, b, same and score (a cosine).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.evaluate import curves, figures
from pipeline.records import Dataset, Image

SHOWN = 4  # hardest pairs of a list and kind
TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)  # rates on the axes of a DET
BINS = 80
Curve = Mapping[str, list[float]]  # far and tar


def draw(
    folder: Path,
    scores: pd.DataFrame,
    rocs: Mapping[str, Mapping[str, Curve]],
    datasets: Mapping[str, Dataset],
) -> None:
    """det.png, scores.png and hardest.jpg in `folder`."""
    det(rocs, folder / "det.png")
    histograms(scores, folder / "scores.png")
    figures.sheet(list(hardest(scores, datasets)), folder / "hardest.jpg")


def _lists(scores: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(benchmark, list, its pairs), in the order of the table."""
    for names, rows in scores.groupby(["benchmark", "protocol"], sort=False):
        benchmark, protocol = map(str, names if isinstance(names, tuple) else (names,))
        yield benchmark, protocol, rows


def _title(scores: pd.DataFrame, benchmark: str, protocol: str) -> str:
    """A list, with its benchmark where there are several."""
    return f"{benchmark} {protocol}" if scores["benchmark"].nunique() > 1 else protocol


def det(rocs: Mapping[str, Mapping[str, Curve]], path: Path) -> None:
    """False rejects over false accepts on normal deviates, a panel a benchmark and a line a list."""
    figure, panels = figures.grid(1, max(1, len(rocs)), 5.0, 4.4)
    ticks = curves.deviates(np.asarray(TICKS))
    for axes, (benchmark, lists) in zip(panels[0], rocs.items(), strict=False):
        for name, curve in lists.items():
            points = curves.det(np.asarray(curve["far"]), 1 - np.asarray(curve["tar"]))
            axes.plot(points[:, 0], points[:, 1], label=name)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(ticks, [f"{rate:.1%}" for rate in TICKS])
        axes.plot(ticks, ticks, color="0.7", linestyle=":")  # equal rates
        axes.set(xlim=(ticks[0], ticks[-1]), ylim=(ticks[0], ticks[-1]), title=benchmark)
        axes.set(xlabel="false accept rate", ylabel="false reject rate")
        axes.grid(alpha=0.3)
        if lists:
            axes.legend(loc="best", fontsize=7)
    figures.write(figure, path)


def histograms(scores: pd.DataFrame, path: Path) -> None:
    """Genuine and impostor scores as shares of their pairs, a panel a list."""
    groups = list(_lists(scores))
    columns = min(5, max(1, len(groups)))
    figure, panels = figures.grid(max(1, -(-len(groups) // columns)), columns, 2.6, 2.0)
    flat = [axes for row in panels for axes in row]
    edges = np.linspace(scores["score"].min(), scores["score"].max() + 1e-9, BINS + 1)
    for axes, (benchmark, protocol, rows) in zip(flat, groups, strict=False):
        for same, label, colour in ((True, "genuine", "tab:blue"), (False, "impostor", "tab:red")):
            found = rows.loc[rows["same"] == same, "score"]
            if len(found):
                counts = np.histogram(found, edges)[0] / len(found)
                axes.stairs(counts, edges, fill=True, alpha=0.5, color=colour, label=label)
        axes.set_title(_title(scores, benchmark, protocol), fontsize=8)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
    for axes in flat[len(groups) :]:
        axes.set_axis_off()
    flat[0].legend(fontsize=7)
    figures.write(figure, path)


def hardest(
    scores: pd.DataFrame, datasets: Mapping[str, Dataset]
) -> Iterator[tuple[str, list[Image | None]]]:
    """Two rows of pictures a list: impostors that are most alike, genuine pairs that are least."""
    places = {
        name: pd.Index(data.frame(["sample_id"])["sample_id"])
        for name, data in datasets.items()
        if name in set(scores["benchmark"])
    }
    for benchmark, protocol, rows in _lists(scores):
        data, place = datasets[benchmark], places[benchmark]
        for same, what in ((False, "impostors most alike"), (True, "genuine pairs least alike")):
            if not (rows["same"] == same).any():
                continue
            found = rows[rows["same"] == same].sort_values("score", ascending=same, kind="stable")[:SHOWN]
            pictures: list[Image | None] = []
            for a, b in zip(found["a"], found["b"], strict=True):
                pictures += [*(data.image(int(place.get_loc(face))) for face in (a, b)), None]
            told = ", ".join(f"{score:.2f}" for score in found["score"])
            yield f"{_title(scores, benchmark, protocol)}: {what}, {told}", pictures[:-1]
