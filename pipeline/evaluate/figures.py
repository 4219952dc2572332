"""Pictures of what was measured, as PNG: drawn without a display, the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import files
from pipeline.records import Dataset, Image, encode

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[list[Axes]]]:
    """A figure of rows x columns panels, each `width` x `height` inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(columns * width, rows * height), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    return figure, [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def write(figure: Figure, path: Path) -> None:
    files.write_with(path, lambda file: figure.savefig(file, format="png", metadata={"Software": None}))


def roc(curves: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]], path: Path) -> None:
    """TAR over FAR, a panel a benchmark and a line a list; FAR on a logarithmic axis."""
    figure, panels = grid(1, max(1, len(curves)), 5.0, 4.0)
    for axes, (benchmark, lists) in zip(panels[0], curves.items(), strict=False):
        lowest = 0.1
        for name, curve in lists.items():
            far, tar = np.asarray(curve["far"]), np.asarray(curve["tar"])
            lowest = min(lowest, far[far > 0].min(initial=0.1))
            axes.plot(np.maximum(far, 1e-9), tar, label=name, drawstyle="steps-post")
        axes.set(xscale="log", xlim=(lowest, 1), ylim=(0, 1.01), xlabel="FAR", ylabel="TAR", title=benchmark)
        axes.grid(alpha=0.3)
        if lists:
            axes.legend(loc="lower right")
    write(figure, path)


WAYS = {"in_gallery": "rank", "among_distractors": "distractors, rank 1"}  # what a CMC runs over


def cmc(found: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Sequence[Any]]]]], path: Path) -> None:
    """Share of mates that are found, with the band of its interval: a panel a benchmark and kind of search.

    `found`: benchmark -> kind (`WAYS`) -> list -> at, share, low, high.
    """
    panels = [(name, way, lists) for name, ways in found.items() for way, lists in ways.items()]
    figure, axes_of = grid(1, max(1, len(panels)), 5.0, 4.0)
    for axes, (benchmark, way, lists) in zip(axes_of[0], panels, strict=False):
        for name, curve in lists.items():
            (line,) = axes.plot(curve["at"], curve["share"], marker="o", markersize=3, label=name)
            low, high = (np.asarray(curve[side], float) for side in ("low", "high"))
            axes.fill_between(curve["at"], low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axes.set(xscale="log", ylim=(None, 1.01), xlabel=WAYS[way], ylabel="mates found", title=benchmark)
        ticks = round_places(at for curve in lists.values() for at in curve["at"])
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
        axes.legend(loc="best")
    write(figure, path)


BINNED = {  # what pairs are binned by, in words
    "yaw_apart": "yaw apart, degrees",
    "age_gap": "age gap, years",
    "sharpness": "sharpness of the blurrier face",
}


def errors(benchmarks: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """FNMR at the global threshold over what pairs are binned by, with intervals: a row a benchmark.

    `benchmarks` as the fairness protocol tells them; a bin without genuine pairs has no point.
    """
    known = {name: told for name, told in benchmarks.items() if "attributes" in told}
    figure, panels = grid(max(1, len(known)), len(BINNED), 3.6, 2.8)
    for row, (benchmark, told) in zip(panels, known.items(), strict=False):
        for axes, (key, words) in zip(row, BINNED.items(), strict=True):
            if key not in told:
                axes.set_axis_off()
                continue
            bins = {name: one for name, one in told[key].items() if one["fnmr"] is not None}
            for at, one in enumerate(bins.values()):
                ends = one.get("fnmr_low"), one.get("fnmr_high")
                if None not in ends:
                    axes.plot([at, at], ends, color="tab:blue", linewidth=2)
            axes.plot([one["fnmr"] for one in bins.values()], "o", color="tab:blue", markersize=4)
            axes.set_xticks(range(len(bins)), list(bins), rotation=35, ha="right", fontsize=7)
            axes.set(xlabel=words, ylabel="FNMR", ylim=(0, None), title=benchmark)
            axes.grid(alpha=0.3)
    write(figure, path)


def cumulative(errors: pd.DataFrame, normalisers: Sequence[str], limit: float, path: Path) -> None:
    """Share of faces over their landmark error up to `limit` (CED): a panel a benchmark, a line a normaliser.

    `errors`: a row a face, its `benchmark`, an error by each of `normalisers` or NaN.
    """
    groups = list(errors.groupby("benchmark", sort=False))
    figure, panels = grid(1, max(1, len(groups)), 5.0, 4.0)
    for axes, (benchmark, rows) in zip(panels[0], groups, strict=False):
        for name in (one for one in normalisers if one in rows):
            values = np.sort(rows[name].dropna().to_numpy(float))
            share = np.arange(1, len(values) + 1) / max(1, len(values))
            axes.plot(100 * np.append(0, values), np.append(0, share), label=name, drawstyle="steps-post")
        axes.set(xlim=(0, 100 * limit), ylim=(0, 1.01), xlabel="NME, %", ylabel="faces", title=benchmark)
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    write(figure, path)


def round_places(places: Iterable[float]) -> list[float]:
    """Of the places of points those that begin with 1, 2 or 5; the last one, too."""
    every = sorted(set(places))
    return [at for at in every if (f"{at:e}"[0] in "125" and f"{at:e}"[1:8] == ".000000") or at == every[-1]]


def similarity(
    impostors: Mapping[str, Mapping[str, Any]],
    candidates: Mapping[str, Mapping[str, Sequence[int]]],
    path: Path,
) -> None:
    """Why a threshold is where it is: a panel a kind of comparison, counts on a logarithmic axis.

    `impostors`: kind -> {histogram, threshold, rate, mutual (or None)};
    `candidates`: kind -> dataset -> histogram of matches.
    """
    figure, panels = grid(max(1, len(impostors)), 1, 7.0, 3.2)
    for (axes,), (kind, known) in zip(panels, impostors.items(), strict=False):
        counts = np.asarray(known["histogram"])
        edges = np.linspace(-1, 1, len(counts) + 1)
        axes.stairs(counts, edges, fill=True, color="0.8", label="training impostors, all comparisons")
        for dataset, found in candidates.get(kind, {}).items():
            axes.stairs(np.asarray(found), edges, linewidth=1.2, label=f"{dataset}: best match of each")
        line = known["threshold"]
        axes.axvline(
            line, color="black", linewidth=1, label=f"threshold {line:.3f}, false matches {known['rate']:g}"
        )
        if known["mutual"] is not None:
            label = f"for each other's nearest {known['mutual']:.3f}"
            axes.axvline(known["mutual"], color="black", linewidth=1, linestyle="--", label=label)
        axes.set(yscale="log", ylim=(0.5, None), xlabel=f"cosine, {kind}", ylabel="count")
        axes.legend(fontsize=7, loc="upper left")
    write(figure, path)


def sheet(
    rows: Sequence[tuple[str, Sequence[Image | None]]], path: Path, side: int = 80, line: int = 18
) -> None:
    """Rows of faces (None: a gap), each `side` pixels high, with a line of text over it; PNG or JPEG."""
    columns = max((len(images) for _, images in rows), default=1)
    canvas = np.full((max(1, len(rows)) * (side + line), max(columns * side, 420), 3), 255, np.uint8)
    for number, (text, images) in enumerate(rows):
        top = number * (side + line)
        plain = text.encode("ascii", "replace").decode()  # OpenCV's font has no other letters
        cv2.putText(
            canvas, plain, (2, top + line - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA
        )
        for column, image in enumerate(images):
            if image is None:
                continue
            face = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
            canvas[top + line : top + line + side, column * side : (column + 1) * side] = face
    files.write_bytes(path, encode(canvas, quality=101 if path.suffix == ".png" else 90))


def faces_of(data: Dataset, who: str, each: int) -> list[Image | None]:
    """So many faces of an identity, or the one with this sample id; gaps where there are fewer."""
    frame = data.frame(["sample_id", "identity"])
    rows = np.flatnonzero((frame["sample_id"] == who) | (frame["identity"] == who))[:each]
    return [*(data.image(int(row)) for row in rows), *[None] * (each - len(rows))]


def scatter(
    views: Mapping[str, npt.NDArray[np.float64]], colours: Mapping[str, Sequence[str]], path: Path
) -> None:
    """Points in the plane: a row a view (what was embedded), a column an attribute that colours it."""
    figure, panels = grid(len(views), len(colours), 3.2, 3.0)
    for row, (view, points) in zip(panels, views.items(), strict=True):
        for axes, (attribute, codes) in zip(row, colours.items(), strict=True):
            for code in sorted(set(codes)):
                here = np.asarray(codes) == code
                axes.scatter(
                    points[here, 0],
                    points[here, 1],
                    s=3 if len(points) > 500 else 12,
                    linewidths=0,
                    label=code,
                )
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{view}, by {attribute}", fontsize=8)
            axes.legend(fontsize=6, markerscale=3, loc="upper right")
    write(figure, path)


def histograms(
    series: Mapping[str, npt.NDArray[np.floating]], xlabel: str, path: Path, bins: int = 100
) -> None:
    """Densities of several sets of numbers over one axis."""
    figure, panels = grid(1, 1, 6.0, 3.2)
    values = np.concatenate(list(series.values()))
    edges = np.linspace(values.min() - 1e-6, values.max() + 1e-6, bins + 1)
    for name, numbers in series.items():
        panels[0][0].hist(numbers, bins=edges.tolist(), density=True, histtype="step", label=name)
    panels[0][0].set(xlabel=xlabel, ylabel="density")
    panels[0][0].legend(fontsize=8)
    write(figure, path)
