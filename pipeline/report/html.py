"""Pages from templates: one look, numbers written one way; a page needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"
ABBREVIATED = ("ami", "auc", "eer", "nme", "kl", "l2")
DASH = "\N{EN DASH}"


def render(template: str, context: Mapping[str, Any]) -> str:
    """The page that `template` makes of `context`; same inputs, same bytes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        count=count, number=number, percent=as_percent, seconds=seconds, signed=signed, short=short
    )
    environment.filters.update(measure=measure, fixed=fixed)
    environment.globals.update(interval=interval)
    return environment.get_template(template).render(context)


def count(value: float | None) -> str:
    """12345 -> 12,345."""
    return DASH if value is None else f"{value:,.0f}"


def short(value: float | None) -> str:
    """1234567 -> 1.23 M."""
    if value is None:
        return DASH
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:,.0f}"


def measure(key: str) -> str:
    """ami_age_group -> AMI age group, purity -> Purity."""
    words = key.replace("_", " ").split(" ", 1)
    first = words[0].upper() if words[0] in ABBREVIATED else words[0].capitalize()
    return " ".join([first, *words[1:]])


def number(value: Any, digits: int = 3) -> str:
    """Significant digits for fractions, thousands separators for whole numbers, words as they are."""
    if value is None:
        return DASH
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 10**digits - 0.5:  # never 1e+03
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def fixed(value: Any) -> str:
    """Three decimals, so that a column's numbers can be compared; counts and words as they are."""
    if not isinstance(value, float):
        return number(value)
    return f"{value:,.0f}" if value.is_integer() and value > 1 else f"{value:.3f}"


def as_percent(value: float | None, digits: int = 2) -> str:
    """A share as percent."""
    return DASH if value is None else f"{100 * value:.{digits}f}"


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """Ends in percent, "[97.12, 98.40]"; nothing if there is no interval."""
    if low is None or high is None:
        return ""
    return f"[{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def signed(value: float | None, digits: int = 2) -> str:
    """A difference of shares in points, with its sign."""
    return DASH if value is None else f"{100 * value:+.{digits}f}"


def seconds(value: float) -> str:
    """65.2 -> 1 min 05 s."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
