"""What the names of files and the tables of a layout say of an image: pure functions over `_layouts`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from pipeline.sources import SourceError, _list
from pipeline.sources._layouts import ANY, JPEG, Layout, Table
from pipeline.sources._tree import Tree

Known = dict[str, Any]


def matching(tree: Tree, pattern: str) -> list[str]:
    """Paths whose end, from the start of a part, matches."""
    found = re.compile(rf"(?:.*/)?{pattern}" if not pattern.startswith(r"\.") else rf".*{pattern}")
    return [path for path in tree.paths if found.fullmatch(path)]


def the_file(tree: Tree, pattern: str) -> str:
    """The one file of this pattern."""
    found = matching(tree, pattern)
    if len(found) != 1:
        told = f"{len(found)} of them ({', '.join(found[:3])} ...)" if found else "none"
        raise SourceError(f"{tree.root} should hold one file {readable(pattern)}, it holds {told}")
    return found[0]


def readable(pattern: str) -> str:
    """A pattern as people write it."""
    plain = re.sub(r"\(\?P<(\w+)>[^()]*\)", r"<\1>", pattern)
    plain = re.sub(r"\[\^/\]\+|\\d(?:\+|\{\d+\})|\.\*", "*", plain)
    return plain.replace(ANY, ".*").replace(JPEG, ".jpg").replace("\\.", ".").replace("(?:", "(")


def text(tree: Tree, path: str) -> str:
    """A list's text, UTF-8 with or without a mark at its start."""
    return _list.text(tree.read(path), path)


def from_name(layout: Layout, path: str) -> Known | None:
    """What a path says, None if it isn't an image of the layout; SourceError names a value that can't be."""
    found = re.fullmatch(rf"(?:.*/)?{layout.images}", path)
    if found is None:
        return None
    said = found.groupdict()
    if said.pop("folder", said.get("identity")) != said.get("identity"):
        raise SourceError(f"{path}: the folder is not the person's name")
    return {key: coded(layout, key, value, path) for key, value in said.items()}


def coded(layout: Layout, column: str, value: str, here: str) -> Any:
    """A text of the layout as a value of ours."""
    codes = layout.codes.get(column)
    if codes is None:
        return _list.known(column, value, here)
    if value not in codes:
        raise SourceError(f"{here}, {column}: {value!r} is none of {', '.join(codes)}")
    return codes[value]


def tables(layout: Layout, tree: Tree) -> dict[str, dict[str, Known]]:
    """For each way of naming an image (`Table.by`): key -> what the tables say."""
    found: dict[str, dict[str, Known]] = {}
    for table in layout.tables:
        paths = matching(tree, table.file)
        if not paths and table.needed:
            raise SourceError(f"{tree.root} should hold {readable(table.file)}: its labels stand there")
        rows = found.setdefault(table.by, {})
        for path in paths:
            for key, known in _rows(layout, table, text(tree, path), path):
                rows.setdefault(key, {}).update(known)
    return found


def _rows(layout: Layout, table: Table, content: str, path: str) -> Iterator[tuple[str, Known]]:
    lines = [(n, line) for n, line in enumerate(content.splitlines(), 1) if line.strip()][table.skip :]
    names = list(table.names)
    if not names and lines:
        names = _fields(table, lines.pop(0)[1])
        if table.separator == r"\s+" and names[0] != table.key:
            names.insert(0, table.key)  # CelebA names all columns but the first
    wanted = {table.key, *(name for theirs in table.columns.values() for name in theirs)}
    if lines and not wanted <= set(names):
        raise SourceError(f"{path} has no column {min(wanted - set(names))!r}, only {', '.join(names[:12])}")
    folder = str(PurePosixPath(path).parent) if table.folder == "{list}" else ""
    for number, line in lines:
        fields = _fields(table, line)
        here = f"{path} line {number}"
        if len(fields) != len(names):
            raise SourceError(f"{here} has {len(fields)} fields, not {len(names)}")
        row = dict(zip(names, fields, strict=True))
        key = row[table.key].replace("\\", "/")
        key = f"{folder}/{key}" if folder else key
        yield key, _values(layout, table, row, here)


def _fields(table: Table, line: str) -> list[str]:
    """Fields of a line; commas between quotes belong to the field."""
    if table.separator.startswith(","):
        import csv

        return [field.strip() for field in next(csv.reader([line], skipinitialspace=True))]
    return re.split(table.separator, line.strip())


def _values(layout: Layout, table: Table, row: Mapping[str, str], here: str) -> Known:
    known: Known = {}
    for ours, theirs in table.columns.items():
        if ours == "centred_box":  # x, y of the centre
            cx, cy, w, h = (_number(row[name], here) for name in theirs)
            known["box"] = [cx - w / 2, cy - h / 2, w, h]
        elif len(theirs) > 1:
            known[ours] = _list.known(ours, " ".join(row[name] for name in theirs), here)
        else:
            known[ours] = coded(layout, ours, row[theirs[0]], here)
    return known


def _number(value: str, here: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise SourceError(f"{here}: {value!r} is no number") from error


def of_path(found: Mapping[str, Mapping[str, Known]], path: str, known: Known) -> Known:
    """What names and tables together say of an image; a table wins over the name."""
    pure = PurePosixPath(path)
    keys = {
        "name": (pure.name,),
        "stem": ("/".join((*pure.parts[-2:-1], pure.stem)),),
        "path": (path, *("/".join(pure.parts[i:]) for i in range(1, len(pure.parts)))),
        "identity": (str(known.get("identity")),),
    }
    together = dict(known)
    for by, rows in found.items():
        for key in keys[by]:
            if key in rows:
                together.update(rows[key])
                break
    return together
