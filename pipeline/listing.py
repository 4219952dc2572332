"""Tables of the command line: problems, plugins and their params, results of experiments."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from pipeline import plugin
from pipeline.params import Problem
from pipeline.params.schema import Dataset

WIDTH = 200  # of a table that goes into a file or a pipe, characters
NARROW = 70  # below, names are broken into lines too


def show(table: Table) -> None:
    """To standard output; in a terminal no wider than it is."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDTH
    if console.width < NARROW:
        for column in table.columns:
            column.no_wrap = False
    console.print(table)


def show_results(
    title: str, rows: Sequence[Mapping[str, Any]], over_seeds: Sequence[Mapping[str, Any]]
) -> None:
    """A table of all rows, then one of what differs by seeds alone, if anything does."""
    show(result_table(title, rows))
    if over_seeds:
        show(seed_table(title, over_seeds))


def folded(*heads: str, title: str | None = None) -> Table:
    """A table whose cells are broken into lines where they are too long, never cut."""
    return Table(*(Column(head, overflow="fold") for head in heads), title=title)


def problem_table(problems: Sequence[Problem]) -> Table:
    table = folded("where", "what is wrong", "what would be right")
    for problem in problems:
        table.add_row(*map(escape, (problem.path, problem.what, problem.hint)))
    return table


def family_table(family: str) -> Table:
    """Every plugin of a family: name, one line, and a line for each param."""
    title = f"{family}: {plugin.FAMILIES[family]}"
    table = folded("name", "what it is", "param", "type", "default", title=title)
    for column in (table.columns[0], table.columns[2]):
        column.no_wrap = True
    for name in plugin.names(family):
        try:
            line = summary(family, name)
            fields = plugin.load(family, name).Params.model_fields
        except Exception as error:  # somebody's half-written file; the others are still shown
            what = f"can't be loaded: {type(error).__name__}: {error}"
            table.add_row(name, escape(what), "", "", "")
            continue
        add_params(table, name, line, fields)
    if family == "sources":
        add_params(
            table, "(each)", "what an entry of `datasets` may say whatever its source", Dataset.model_fields
        )
    return table


def add_params(table: Table, name: str, line: str, fields: Mapping[str, FieldInfo]) -> None:
    """A line for each param, the first with the plugin's name and what it is."""
    rows = [(key, type_name(field.annotation), default(field)) for key, field in fields.items()]
    for place, row in enumerate(rows or [("", "", "")]):
        table.add_row(*((name, line) if place == 0 else ("", "")), *map(escape, row))


def summary(family: str, name: str) -> str:
    """The first line of a plugin's docstring, read without importing it."""
    text = ast.get_docstring(ast.parse((plugin.ROOT / family / f"{name}.py").read_text())) or ""
    first = text.strip().split("\n\n")[0].replace("\n", " ").strip()
    return escape(re.sub(r" \([^()]*https?://[^()]*\)", "", first))


def type_name(annotation: Any) -> str:
    """`float`, `list[int]`, `float | adaptive`."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " | ".join(str(value) for value in arguments)
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(type_name(each) for each in arguments)
    if get_origin(annotation) is Annotated:
        return type_name(arguments[0])
    if arguments:
        inner = ", ".join("..." if each is ... else type_name(each) for each in arguments)
        return f"{type_name(get_origin(annotation))}[{inner}]"
    return "none" if annotation is type(None) else getattr(annotation, "__name__", str(annotation))


def default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "(must be given)"
    return str(value.model_dump() if isinstance(value, BaseModel) else value)


def result_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows of numbers: one column for every key that any row has, with the interval in the row's `ends`."""
    columns = list(dict.fromkeys(key for row in rows for key, value in row.items() if simple(value)))
    table = folded(*columns, title=title)
    for row in rows:
        ends = row.get("ends", {})
        table.add_row(*(cell(row.get(column)) + escape(interval(ends.get(column))) for column in columns))
    return table


def seed_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Mean and spread of runs that differ by seeds alone, as `experiment.over_seeds` gives them."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = folded(*columns, title=f"{title}: mean and standard deviation over runs")
    for row in rows:
        table.add_row(*(spread(row.get(column), row["runs"]) for column in columns))
    return table


def spread(value: Any, runs: int) -> str:
    if not isinstance(value, Mapping):
        return cell(value)
    few = f" of {value['runs']}" if value["runs"] < runs else ""
    return f"{value['mean']:.2f} \N{PLUS-MINUS SIGN} {value['std']:.2f}{few}"


def comparison_table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Paired differences in points of accuracy or TAR, a column a pair of models; a star where 0 is outside.

    `rows` as `experiment.compare` gives them, as shares.
    """
    pairs = list(dict.fromkeys((row["second"], row["first"]) for row in rows))
    lists = dict.fromkeys((row["benchmark"], row["protocol"], row["pairs"], row["people"]) for row in rows)
    heads = ["benchmark", "protocol", "pairs", "people", *(f"{second} - {first}" for second, first in pairs)]
    table = folded(*heads, title=f"{title}: points [95 % interval]")
    found = {(row["benchmark"], row["protocol"], row["second"]): row for row in rows}
    for benchmark, protocol, *counts in lists:
        cells = (difference(found[benchmark, protocol, second]) for second, _ in pairs)
        table.add_row(benchmark, protocol, *map(str, counts), *cells)
    return table


def difference(row: Mapping[str, Any]) -> str:
    if row["difference"] is None:
        return "too few impostors"
    if row["low"] is None:
        return escape(f"{100 * row['difference']:+.1f} [too few people]")
    low, high = 100 * row["low"], 100 * row["high"]
    star = " *" if low > 0 or high < 0 else ""
    return escape(f"{100 * row['difference']:+.1f} [{low:.1f}, {high:.1f}]{star}")


def interval(ends: tuple[float, float] | None) -> str:
    return f" [{ends[0]:.1f}, {ends[1]:.1f}]" if ends else ""


def simple(value: Any) -> bool:
    return isinstance(value, str | int | float)


def cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return escape(str(value)) if simple(value) else ""
