"""What dvc.yaml declares for a stage (as DVC resolves it), and what dvc.lock records of it.

A stage reads only what is declared: a parameter that dvc.yaml does not name for it does not exist.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PIPELINE, PARAMS, LOCK = Path("dvc.yaml"), Path("params.yaml"), Path("dvc.lock")
SKIPPED = ("__pycache__", ".DS_Store")


class UndeclaredError(KeyError):
    """A stage or a parameter that dvc.yaml does not declare."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Declared:
    """One stage of the DAG: its address, the parameters it may read, its inputs and outputs."""

    address: str
    params: dict[str, Any]  # dotted key -> value
    deps: list[str]
    outs: list[str]
    tree: dict[str, Any] = field(default_factory=dict)  # the same parameters, nested

    def out(self, start: str) -> Path | None:
        """The declared output whose path begins with `start`."""
        return next((Path(path) for path in self.outs if path.startswith(start)), None)


def read_yaml(path: Path) -> Any:
    """A YAML file as DVC reads it (YAML 1.2: `1e-3` is a number, `off` is a word)."""
    from dvc.utils.serialize import load_yaml

    return load_yaml(str(path))


def resolver() -> Any:
    """DVC's own resolver of dvc.yaml in the working directory (foreach and ${...} expanded).

    It asks its repository for a file system and the parsing settings only; opening the real one
    would cost as much again.
    """
    from dvc.fs import localfs
    from dvc.parsing import DataResolver

    repo = SimpleNamespace(fs=localfs, config={})
    return DataResolver(repo, "", read_yaml(PIPELINE) or {})


def addresses() -> list[str]:
    """Every stage of dvc.yaml."""
    return list(resolver().get_keys())


def declared(address: str) -> Declared:
    """What dvc.yaml declares for the stage at `address`."""
    found = resolver()
    if not found.has_key(address):
        known = list(found.get_keys())
        close = difflib.get_close_matches(address, known, n=3, cutoff=0.5) or known
        raise UndeclaredError(f"dvc.yaml declares no stage {address!r}; nearest: {', '.join(close)}")
    entry = found.resolve_one(address)[address]
    keys = _all(entry.get("params", []))
    values = read_yaml(PARAMS) or {}
    params = {key: look_up(values, key) for key in keys}
    outs = [path for kind in ("outs", "metrics", "plots") for path in _all(entry.get(kind, []))]
    deps = list(dict.fromkeys(_all(entry.get("deps", []))))
    return Declared(address, params, deps, outs, nest(params))


def every_out() -> list[str]:
    """Every output of every stage of dvc.yaml."""
    entries = resolver().resolve()["stages"].values()
    kinds = ("outs", "metrics", "plots")
    return [path for entry in entries for kind in kinds for path in _all(entry.get(kind, []))]


def _all(items: Iterable[str | Mapping[str, Any]]) -> list[str]:
    """Paths of ["a", {"b": {"cache": False}}]."""
    return [path for item in items for path in ([item] if isinstance(item, str) else item)]


def look_up(values: Mapping[str, Any], key: str) -> Any:
    """values["a"]["b"] for "a.b"."""
    value: Any = values
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise UndeclaredError(f"{PARAMS} has no {key!r}, which dvc.yaml declares")
        value = value[part]
    return value


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{"a.b": 1, "a.c": 2} -> {"a": {"b": 1, "c": 2}}."""
    tree: dict[str, Any] = {}
    for key in sorted(flat, key=lambda key: key.count(".")):
        *parents, last = key.split(".")
        at = tree
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = json.loads(json.dumps(flat[key]))
    return tree


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; lists are leaves."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value}
    nested = (flatten(item, f"{prefix}.{key}" if prefix else str(key)) for key, item in value.items())
    return {key: leaf for part in nested for key, leaf in part.items()}


def read_lock() -> dict[str, Any]:
    """Stage address -> its entry of dvc.lock, of stages that dvc.yaml still has; empty before the first run.

    DVC keeps the entries of stages that are gone (another dataset's, another model's).
    """
    import yaml

    if not LOCK.exists():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = yaml.load(LOCK.read_text(), Loader=loader) or {}
    recorded = content.get("stages", {})
    return {address: recorded[address] for address in addresses() if address in recorded}


def inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def upstream(deps: Iterable[str], lock: Mapping[str, Any]) -> list[str]:
    """Addresses of the recorded stages that `deps` come from, directly or not, nearest first."""
    found: dict[str, None] = {}
    waiting = list(deps)
    while waiting:
        dep = waiting.pop(0)
        for address, entry in lock.items():
            outs = [out["path"] for out in entry.get("outs", [])]
            if address not in found and any(inside(out, dep) or inside(dep, out) for out in outs):
                found[address] = None
                waiting += [item["path"] for item in entry.get("deps", [])]
    return list(found)


def upstream_params(deps: Iterable[str], lock: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key -> value of every parameter that any stage upstream of `deps` declared."""
    found: dict[str, Any] = {}
    for address in upstream(deps, lock):
        for values in lock[address].get("params", {}).values():
            found.update(values)
    return found


def dep_hashes(deps: Iterable[str], lock: Mapping[str, Any], trust_lock: bool) -> dict[str, str]:
    """Dependency -> hash. Outputs of other stages are known by dvc.lock, if it may be trusted.

    By hand nobody has updated dvc.lock: then data is known by size and time of its files.
    """
    recorded = {out["path"]: out.get("md5", "") for entry in lock.values() for out in entry.get("outs", [])}
    return {dep: _dep_hash(dep, recorded if trust_lock else {}) for dep in deps}


def _dep_hash(dep: str, recorded: Mapping[str, str]) -> str:
    below = sorted((path, md5) for path, md5 in recorded.items() if inside(path, dep))
    below = below or [(path, md5) for path, md5 in recorded.items() if inside(dep, path)]
    if below:
        return below[0][1] if len(below) == 1 else digest(below)
    if dep.startswith("data/"):
        return digest([(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in walk(Path(dep))])
    return digest([(str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in walk(Path(dep))])


def walk(path: Path) -> Iterator[Path]:
    """Files at or under `path`, sorted; links are followed, caches left out."""
    if path.is_file():
        yield path
    elif path.is_dir():
        for folder, folders, names in os.walk(path, followlinks=True):
            folders[:] = sorted(name for name in folders if name not in SKIPPED)
            yield from (Path(folder) / name for name in sorted(names) if name not in SKIPPED)


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]


def fingerprint(params: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """What a checkpoint belongs to: the same parameters, inputs and code.

    Versions and machine stand in the checkpoint itself: another one is said on resume, not started afresh.
    """
    return digest([params, hashes])[:16]
