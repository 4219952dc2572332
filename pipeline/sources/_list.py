"""A table of samples beside the images: csv or parquet, one row an image.

Columns: path; and any of identity, name, age (years), gender (0 female, 1 male), race (0 Black, 1 East or
Southeast Asian, 2 Indian, 3 Latino Hispanic, 4 Middle Eastern or White), yaw, pitch, roll (degrees),
box (x y width height), points5 (x y of eyes, nose, mouth corners), points68 (x y in the iBUG order). In a
csv the numbers of a list lie between spaces. An empty cell is unknown; other columns are ignored.
"""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np

from pipeline.sources import SourceError

NUMBERS = {"age": (0, 130), "yaw": (-180, 180), "pitch": (-180, 180), "roll": (-180, 180)}
CODES = {"gender": 1, "race": 4}
ARRAYS = {"box": 4, "points5": 10, "points68": 136}
COLUMNS = ("identity", "name", *NUMBERS, *CODES, *ARRAYS)


def read(data: bytes, where: str) -> list[dict[str, Any]]:
    """One dict a row with the columns that are ours, None where empty; errors name the row (from 1)."""
    import pandas as pd

    if where.endswith(".parquet"):
        frame = pd.read_parquet(io.BytesIO(data))
    elif where.endswith(".csv"):
        try:
            frame = pd.read_csv(io.StringIO(text(data, where)), dtype=str, keep_default_na=False)
        except (ValueError, pd.errors.ParserError) as error:
            raise SourceError(f"{where}: {error}") from error
    else:
        raise SourceError(f"{where} should be a .csv or a .parquet")
    if "path" not in frame.columns:
        raise SourceError(f"{where} has no column 'path', only {', '.join(map(str, frame.columns))}")
    columns = ["path", *(name for name in COLUMNS if name in frame.columns)]
    found: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    rows = cast(list[dict[str, Any]], frame[columns].to_dict("records"))
    for number, row in enumerate(rows, 1):
        here = f"{where} row {number}"
        values = {name: known(name, value, here) for name, value in row.items()}
        path = values["path"]
        if path is None or path in seen:
            wrong = f"{path!r} stands in row {seen[path]} too" if path else "no path"
            raise SourceError(f"{here}: {wrong}")
        seen[path] = number
        found.append(values)
    return found


def text(data: bytes, where: str) -> str:
    """A list's text, UTF-8 with or without a mark at its start."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{where} is not UTF-8: {error}; save it as UTF-8") from error


def known(name: str, value: Any, here: str) -> Any:
    """The value of a column, checked; None where it is empty. `here` is for the error's text."""
    return None if _empty(value) else _value(name, value, here)


def _empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (np.isscalar(value) and value != value)


def _value(name: str, value: Any, here: str) -> Any:
    try:
        if name in ARRAYS:
            return _array(value, ARRAYS[name])
        if name in CODES:
            return _code(float(value), CODES[name])
        if name in NUMBERS:
            return _within(float(value), *NUMBERS[name])
    except (ValueError, TypeError) as error:
        raise SourceError(f"{here}, {name}: {value!r}: {error}") from error
    return str(value)


def _code(value: float, high: int) -> int:
    if value != int(value):  # whole numbers become 1.0 beside an empty cell
        raise ValueError("should be a whole number")
    return int(_within(int(value), 0, high))


def _within(value: Any, low: float, high: float) -> Any:
    if not low <= value <= high:
        raise ValueError(f"should be from {low} to {high}")
    return value


def _array(value: Any, size: int) -> list[float]:
    numbers = [float(v) for v in (value.split() if isinstance(value, str) else np.ravel(value))]
    if len(numbers) != size or not np.isfinite(numbers).all():
        raise ValueError(f"should be {size} finite numbers")
    return numbers
