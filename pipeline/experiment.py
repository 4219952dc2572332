"""Experiments: a file of rows, each row a set of changes to params.yaml, run side by side.

Every row gets a workspace of its own under `.experiments/<name>/<row>/` (a copy of the project's
files, its own params.yaml) and shares the project's DVC cache: what two rows have in common is
computed once, and nothing of the project's own tree is touched.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline import files, guard, journal, params, plugin
from pipeline.evaluate import seeds, summary
from pipeline.params.rows import FOLDER, Experiment, ExperimentError, apply, read

log = logging.getLogger(__name__)
WORKSPACES = Path(".experiments")
PUBLISHED = "published"  # the model of a row of numbers from the literature


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Experiment:
    """experiments/<name>.yaml; an unknown name is an error that offers the nearest one."""
    if name not in names():
        raise ExperimentError(f"no experiments/{name}.yaml{plugin.suggest(name, names())}")
    found, problems = read(FOLDER / f"{name}.yaml")
    if problems or found is None:
        raise ExperimentError("\n".join(map(str, problems)))
    return found


def project_files() -> list[Path]:
    """Tracked files and those that git does not ignore."""
    found = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return [Path(line) for line in found if Path(line).is_file() and Path(line).name != "dvc.lock"]


def workspace(name: str, row: str, experiment: Experiment) -> Path:
    """The row's folder, brought up to date with the project's files; its outputs are kept."""
    folder = WORKSPACES / name / row
    wanted = [path for path in project_files() if path.parts[:2] != ("data", "metrics")]
    for path in wanted:
        target = folder / path
        if not target.exists() or target.read_bytes() != path.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    for stale in _code_files(folder) - {folder / path for path in wanted}:
        stale.unlink()
    changes = {**experiment.common, **experiment.rows[row]}
    values, unreadable = params.read()
    if unreadable:
        raise ExperimentError("\n".join(map(str, unreadable)))
    changed = yaml.safe_dump(apply(values, changes), sort_keys=False)
    files.write_text(folder / "params.yaml", changed)
    _link_raw(folder, experiment.raw)
    files.write_json(folder / journal.CODE, journal.git_state())
    files.write_text(
        folder / ".dvc" / "config.local",
        f"[core]\n    no_scm = true\n[cache]\n    dir = {(Path('.dvc') / 'cache').resolve()}\n",
    )
    return folder


def _code_files(folder: Path) -> set[Path]:
    return {path for part in ("pipeline", "stages") for path in (folder / part).rglob("*.py")}


def _link_raw(folder: Path, raw: dict[str, str]) -> None:
    for name, source in raw.items():
        path, link = Path(source).resolve(), folder / "data" / "raw" / name
        if not path.exists():
            raise ExperimentError(f"raw.{name}: {source} does not exist")
        if link.exists() and not link.is_symlink():
            raise ExperimentError(f"raw.{name}: {link} stands there and is no link; move it away")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path)


def environment(name: str, row: str) -> dict[str, str]:
    store = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{Path('mlflow.db').resolve()}")
    return {**os.environ, "MLFLOW_TRACKING_URI": store, "LIKENESS_GROUP": f"{name}/{row}"}


def run(name: str, rows: list[str] | None = None) -> list[dict[str, Any]]:
    """Runs the rows one after another; returns the table of what they measured."""
    experiment = load(name)
    chosen = chosen_of(name, experiment, rows)
    ready(name, experiment, chosen)
    with contextlib.ExitStack() as held:
        for row in chosen:
            held.enter_context(_alone(name, row))
        folders = {row: workspace(name, row, experiment) for row in chosen}  # all of them from the same code
        for row, folder in folders.items():
            log.info("%s/%s in %s", name, row, folder)
            _dvc_repro(folder, experiment.targets, environment(name, row))
    return table(name)


@contextlib.contextmanager
def _alone(name: str, row: str) -> Iterator[None]:
    """One run of a row at a time: another would change the files under it."""
    lock = WORKSPACES / name / row / ".ckpt" / "locks" / "experiment.lock"
    try:
        with guard.only_copy(lock, f"experiment {name}/{row}", 0):
            yield
    except guard.BusyError as error:
        raise ExperimentError(str(error)) from error


def ready(name: str, experiment: Experiment, chosen: list[str]) -> None:
    """Raise with everything that would stop a row, before the first one starts."""
    file = FOLDER / f"{name}.yaml"
    gone = {f"raw.{link}": path for link, path in experiment.raw.items() if not Path(path).exists()}
    problems = [
        params.Problem(key, f"{path} does not exist", "a path relative to the project's folder")
        for key, path in gone.items()
    ]
    problems = params.located(file, problems) + params.check_experiments([file], chosen)
    if problems:
        raise ExperimentError("\n".join(map(str, problems)))


def _dvc_repro(folder: Path, targets: list[str], env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "pipeline", "check", "--no-experiments"]
    if subprocess.run(command, cwd=folder, env=env, check=False).returncode:
        raise ExperimentError(f"{folder}/params.yaml has problems (listed above)")
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *targets]
    if subprocess.run(command, cwd=folder, env=env, check=False).returncode:
        raise ExperimentError(
            f"dvc repro failed in {folder}; mend it and run again: finished stages are kept"
        )


def table(name: str) -> list[dict[str, Any]]:
    """A row for each evaluated model of each row of the experiment, published numbers beside ours.

    Models stand in the order of `after.evaluate`, columns in that of the published numbers. `ends` are the
    intervals of a row's numbers by name, `alike` is equal for what differs by seeds alone, less the world.
    """
    experiment, found = load(name), []
    columns = list(dict.fromkeys(key for row in experiment.published.values() for key in row))
    for row, changes in experiment.rows.items():
        values, models = _params(name, row), {}
        for path in (WORKSPACES / name / row / "data" / "metrics" / "evaluate").glob("*.json"):
            models[path.stem] = json.loads(path.read_text())
        order = [each for each in values.get("after", {}).get("evaluate", []) if each in models]
        for model in dict.fromkeys([*order, *sorted(models)]):
            shown = summary.of(models[model])
            ordered = {key: shown[key] for key in columns if key in shown} | shown
            alike = seeds.same_but_seeds(changes, _entry(values, model))
            world = str(values.get(seeds.WORLD, changes.get(seeds.WORLD)))
            told = {"ends": summary.ends(models[model]), "alike": [alike, world]}
            found.append({"row": row, "model": model, **ordered, **told})
        if published := experiment.published.get(row):
            found.append({"row": row, "model": PUBLISHED, **published})
    return found


def _params(name: str, row: str) -> dict[str, Any]:
    """What a row ran with; nothing where it did not run."""
    path = WORKSPACES / name / row / "params.yaml"
    return dict(yaml.safe_load(path.read_text())) if path.exists() else {}


def _entry(values: dict[str, Any], model: str) -> Any:
    """A model's settings, its name where they are not known."""
    kinds = ("foreign", "train", "distill")
    return next((values[kind][model] for kind in kinds if model in (values.get(kind) or {})), model)


def over_seeds(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `table` that differ by seeds alone, as one: mean and spread; what stands alone is left out.

    `over` tells which: `seeds` of trainings, `worlds` of one run each (other people in training and test),
    or both. Where there are several runs in several worlds, those of each world are told by themselves first.
    """
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        if row["model"] != PUBLISHED:
            alike, world = row["alike"]
            groups.setdefault(alike, {}).setdefault(world, []).append(row)
    found = []
    for worlds in groups.values():
        found += [_as_one(runs, "seeds") for runs in worlds.values() if len(runs) > 1]
        if len(worlds) > 1:
            runs = [row for each in worlds.values() for row in each]
            found.append(_as_one(runs, "worlds" if len(runs) == len(worlds) else "worlds and seeds"))
    return found


def _as_one(group: Sequence[dict[str, Any]], over: str) -> dict[str, Any]:
    """Runs as one row: their names, over what they spread, and each number's mean and spread."""
    names = {key: ", ".join(dict.fromkeys(row[key] for row in group)) for key in ("row", "model")}
    hidden = ("row", "model", "ends", "alike")
    left = [{key: value for key, value in row.items() if key not in hidden} for row in group]
    return {**names, "over": over, "runs": len(group), **seeds.aggregate(left)}


def chosen_of(name: str, experiment: Experiment, rows: list[str] | None) -> list[str]:
    """The rows that are asked for, all without; one that there isn't is an error."""
    for row in rows or ():
        if row not in experiment.rows:
            raise ExperimentError(f"{name} has no row {row!r}{plugin.suggest(row, list(experiment.rows))}")
    return rows or list(experiment.rows)


def compare(
    name: str, first: str, others: list[str], rows: list[str] | None = None, fars: Sequence[float] = ()
) -> list[dict[str, Any]]:
    """Accuracy of `others` less that of `first` on the same pairs, a line a protocol, over the rows together.

    People of different rows are different people; the interval is that of a vertex bootstrap over them. Then
    ranks, TPIR and rates of splits, as means over the rows (`paired.drawn`), those that probes suffice for.
    With `fars` a line more for the TAR at each, of one row alone: thresholds are those of the row's models.
    """
    from pipeline.evaluate import paired

    chosen = chosen_of(name, load(name), rows)
    if fars and len(chosen) > 1:
        raise ExperimentError(
            f"a model was trained anew in each of {len(chosen)} rows, and has a threshold in each: "
            "true accept rates are compared within one row, say which"
        )
    base, found = _scores(name, first, chosen), []
    for other in others:
        scores = _scores(name, other, chosen)
        lines = paired.compare(base, scores, fars=fars) + paired.means(base, scores)
        tables = [(_draws(name, first, row), _draws(name, other, row)) for row in chosen]
        drawn = [row for row in paired.drawn(tables) if row["supported"]]
        told = [line for row in lines for line in _lines(row)] + [_named(row) for row in drawn]
        found += [{"first": first, "second": other, **line} for line in told]
    return found


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """A number of searches or splits as a line: no pairs were compared."""
    return {**row, "protocol": f"{row['protocol']}, {row['measure']}", "pairs": ""}


def _draws(name: str, model: str, row: str) -> Any:
    """Draws of one model's searches and splits in one row; none where it has no such protocol."""
    from pipeline.evaluate import paired

    return paired.read_draws(WORKSPACES / name / row / "data" / "prepared" / "evaluate" / model)


def _lines(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A list's difference of accuracy, then those of its true accept rates."""
    tars = row.pop("tars", [])
    yield row
    for tar in tars:
        yield {**row, **tar, "protocol": f"{row['protocol']}, TAR at FAR {tar['far']:g}"}


def not_auditable(name: str, models: list[str], rows: list[str] | None = None) -> list[str]:
    """Those of the models of which nobody knows on whom they were trained."""
    folders = [WORKSPACES / name / row / "data/metrics/evaluate" for row in chosen_of(name, load(name), rows)]
    told = {model: [folder / f"{model}.json" for folder in folders] for model in models}
    return [
        model
        for model, paths in told.items()
        if not all(json.loads(path.read_text()).get("auditable", True) for path in paths if path.exists())
    ]


def _scores(name: str, model: str, rows: list[str]) -> Any:
    """The rows' pair scores of one model; ids carry the row, so that worlds don't share people."""
    import pandas as pd

    parts = []
    for row in rows:
        path = WORKSPACES / name / row / "data" / "prepared" / "evaluate" / model / "scores.parquet"
        if not path.exists():
            raise ExperimentError(
                f"{path} does not exist: run the experiment first, with {model} in after.evaluate, "
                "or choose rows that have run"
            )
        part = pd.read_parquet(path)
        for column in ("a", "b", "person_a", "person_b"):
            part[column] = row + ":" + part[column].astype(str)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
