"""Charts as inline SVG: the same values give the same bytes, and the ink follows the page's colour.

Text and axes are drawn in placeholder colours that become `currentColor`, so that a chart reads well on
a light and on a dark page. Charts are narrow: on a phone one fills the width, on a desktop they stand
side by side.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

INK, FAINT = "#010203", "#040506"  # placeholders, see `to_svg`
COLOURS = ("#3b6fd4", "#d9822b", "#2f9e6e", "#c2497f", "#8a63d2", "#9a8b2f", "#3a9fb5", "#b5543a")
MANY_MARKS = 700  # times its low end: from there an axis has one mark a decade
FEWEST = 8  # bins of a histogram that are shown
SIZE = (3.8, 2.6)  # inches at 72 points each: somewhat less than the width of a phone

Point = tuple[float, float | None, float | None]  # value, ends of its interval
Band = tuple[
    Sequence[float], Sequence[float], Sequence[float | None], Sequence[float | None]
]  # x, y, its ends
Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]  # label -> x, y


def style() -> dict[str, Any]:
    return {
        "font.family": "sans-serif",
        "font.size": 8.5,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.linewidth": 0.7,
        "grid.color": FAINT,
        "grid.linewidth": 0.4,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "text.color": INK,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "lines.linewidth": 1.6,
        "svg.fonttype": "none",
    }


def colours(labels: Iterable[str], order: Sequence[str] = ()) -> dict[str, str]:
    """A colour a label: what stands in `order` has the same one in every chart."""
    places = {label: index for index, label in enumerate(dict.fromkeys([*order, *labels]))}
    return {label: COLOURS[index % len(COLOURS)] for label, index in places.items()}


@contextmanager
def drawing(name: str, size: tuple[float, float] = SIZE) -> Iterator[Any]:
    """An axes in this page's style, never a window, never pyplot's global state; `name` salts its ids."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {**style(), "svg.hashsalt": name}
    with mpl.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        yield figure.subplots()


def to_svg(figure: Any) -> str:
    """An <svg> element for an HTML page."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # nobody refers to groups, and charts share their names
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" role="img">', svg, count=1)
    svg = svg.replace(FAINT, "var(--line)").replace(INK, "currentColor")
    return re.sub(r"\n\s*", "\n", svg)


def lines(series: Series, name: str, title: str, x: str, order: Sequence[str] = (), log: bool = False) -> str:
    """One line a label; `log` for values that are all above 0."""
    hues = colours(series, order)
    with drawing(name) as axes:
        for label, (across, up) in series.items():
            axes.plot(across, up, label=label, color=hues[label], marker="o", markersize=2.5)
        axes.set(title=title, xlabel=x)
        whole_numbers(axes.xaxis)
        if log:
            axes.set_yscale("log")
            plain_numbers(axes.yaxis)
        legend(axes)
        return to_svg(axes.figure)


def whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))


def plain_numbers(axis: Any) -> None:
    """0.02 instead of a power of ten, and no more than a handful of marks in what the axis shows now."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if low > 0 and high / low < MANY_MARKS else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def legend(axes: Any) -> None:
    """Every label once, below the chart, where it hides nothing; none for a single label."""
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    if len(once) > 1:
        columns = 4 if sum(map(len, once)) < 36 else 2
        axes.figure.legend(list(once.values()), list(once), loc="outside lower center", ncols=columns)


def intervals(
    groups: Mapping[str, Mapping[str, Point]],
    name: str,
    title: str,
    x: str,
    order: Sequence[str] = (),
    zero: bool = False,
) -> str:
    """Points with intervals: a group of rows, in it a row a label; `zero` draws the line of no difference."""
    hues = colours([label for group in groups.values() for label in group], order)
    height = 0.95 + 0.17 * sum(len(group) + 1 for group in groups.values())
    with drawing(name, (SIZE[0], height)) as axes:
        at, ticks = 0.0, []
        for group in groups.values():
            ticks.append(at + (len(group) - 1) / 2)
            for label, (value, low, high) in group.items():
                if low is not None and high is not None:
                    axes.plot([low, high], [at, at], color=hues[label], linewidth=2)
                axes.plot([value], [at], "o", color=hues[label], markersize=4, label=label)
                at += 1
            at += 1
        axes.set_yticks(ticks, list(groups))
        axes.set(title=title, xlabel=x)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(at - 1.3, -0.7)
        if zero:
            axes.axvline(0, color=INK, linewidth=0.8)
        legend(axes)
        return to_svg(axes.figure)


def roc(curves: Series, name: str, title: str, order: Sequence[str] = ()) -> str:
    """TAR over FAR, FAR on a logarithmic axis: what lies at FAR 0 has no place on it."""
    hues = colours(curves, order)
    lowest = min((value for far, _ in curves.values() for value in far if value > 0), default=1e-3)
    with drawing(name) as axes:
        for label, (far, tar) in curves.items():
            points = [(f, t) for f, t in zip(far, tar, strict=True) if f > 0]
            axes.plot(*zip(*points, strict=True), label=label, color=hues[label], drawstyle="steps-post")
        axes.set_xscale("log")
        axes.set(title=title, xlabel="false accept rate (FAR)", ylabel="true accept rate (TAR)")
        axes.set_xlim(lowest * 0.9, 1)
        plain_numbers(axes.xaxis)
        axes.set_ylim(top=1.005)
        legend(axes)
        return to_svg(axes.figure)


def bands(
    series: Mapping[str, Band],
    name: str,
    title: str,
    x: str,
    y: str,
    order: Sequence[str] = (),
    log: bool = True,
) -> str:
    """A line a label with the band of its interval; `log`: of x. A band is drawn where it is known."""
    hues = colours(series, order)
    with drawing(name) as axes:
        for label, (across, up, low, high) in series.items():
            axes.plot(across, up, label=label, color=hues[label], marker="o", markersize=2.5)
            known = [k for k in range(len(across)) if low[k] is not None and high[k] is not None]
            ends = [[side[k] for k in known] for side in (low, high)]
            axes.fill_between([across[k] for k in known], *ends, color=hues[label], alpha=0.18, linewidth=0)
        axes.set(title=title, xlabel=x, ylabel=y)
        if log:
            axes.set_xscale("log")
            plain_numbers(axes.xaxis)
        legend(axes)
        return to_svg(axes.figure)


def binned(
    series: Mapping[str, Mapping[str, Point]],
    name: str,
    title: str,
    x: str,
    y: str,
    order: Sequence[str] = (),
) -> str:
    """Values with intervals over bins: label -> bin -> point, labels side by side within a bin."""
    hues = colours(series, order)
    bins = list(dict.fromkeys(bin_ for points in series.values() for bin_ in points))
    with drawing(name) as axes:
        for place, (label, points) in enumerate(series.items()):
            shift = 0.5 * ((place + 0.5) / len(series) - 0.5)
            for bin_, (value, low, high) in points.items():
                at = bins.index(bin_) + shift
                if low is not None and high is not None:
                    axes.plot([at, at], [low, high], color=hues[label], linewidth=1.6)
                axes.plot([at], [value], "o", color=hues[label], markersize=3.5, label=label)
        axes.set_xticks(range(len(bins)), bins, rotation=30, ha="right")
        axes.set(title=title, xlabel=x, ylabel=y)
        axes.set_ylim(bottom=0)
        axes.grid(visible=False, axis="x")
        legend(axes)
        return to_svg(axes.figure)


def trade(models: Mapping[str, tuple[float, float, float]], name: str, title: str, x: str) -> str:
    """Accuracy over time. Models: label -> time, accuracy in percent, parameters (the mark's area)."""
    hues = colours(models)
    largest = max(size for _, _, size in models.values())
    with drawing(name) as axes:
        for label, (time, accuracy, size) in models.items():
            area = 12 + 240 * size / largest  # square points
            axes.scatter([time], [accuracy], s=area, color=hues[label], alpha=0.7)
            below = (0, -(10 + area**0.5 / 2))
            told = f"{label}, {size / 1e6:.2g} M"
            axes.annotate(told, (time, accuracy), xytext=below, textcoords="offset points", ha="center")
        axes.set_xscale("log")
        plain_numbers(axes.xaxis)
        axes.margins(0.25)
        axes.set(title=title, xlabel=x, ylabel="mean accuracy, %")
        return to_svg(axes.figure)


def histogram(counts: Sequence[int], edges: Sequence[float], name: str, title: str, x: str, y: str) -> str:
    """One bar a bin: `edges` are where bins begin, but for the first one, which lies below them all.

    Empty bins at both ends are left out, as long as `FEWEST` are left.
    """
    first, stop = shown_bins(counts)
    marks = range(first + 1, stop, 1 + (stop - first) // 16)
    with drawing(name) as axes:
        axes.bar(range(first, stop), counts[first:stop], width=0.92, align="edge", color=COLOURS[0])
        axes.set_xticks(marks, [f"{edges[mark - 1]:,g}" for mark in marks])
        axes.tick_params(axis="x", rotation=60, rotation_mode="xtick")
        axes.set_xlim(first - 0.2, stop + 0.2)
        axes.set(title=title, xlabel=x, ylabel=y)
        axes.grid(visible=False, axis="x")
        whole_numbers(axes.yaxis)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        return to_svg(axes.figure)


def shown_bins(counts: Sequence[int]) -> tuple[int, int]:
    """The first bin that is shown, and the one after the last."""
    full = [place for place, count in enumerate(counts) if count] or [0]
    first, stop = full[0], full[-1] + 1
    while stop - first < min(FEWEST, len(counts)):
        first, stop = max(0, first - 1), min(len(counts), stop + 1)
    return first, stop
