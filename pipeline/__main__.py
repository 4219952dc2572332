"""likeness: `python -m pipeline check | list | faces | flow | run | table | compare | sync`."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Face datasets in, small, accurate, explained face-recognition models out.")
log = logging.getLogger("pipeline")


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Face datasets in, small, accurate, explained face-recognition models out."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def check(
    file: Annotated[Path, typer.Option(help="the file to check")] = Path("params.yaml"),
    changes: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, before checking")] = None,
    experiments: Annotated[
        bool, typer.Option(help="experiments/*.yaml too; --file and --set leave them out")
    ] = True,
) -> None:
    """Tell everything that is wrong with params.yaml, runtime.yaml and experiments, before anything runs."""
    from pipeline import params, runtime
    from pipeline.listing import problem_table, show

    if file.resolve().parent == Path("experiments").resolve():
        raise typer.BadParameter(f"{file} is an experiment: without --file all of them are checked, too")
    problems = params.check(file, parse(changes or [])) + params.check_runtime()
    told = [str(file), *map(str, filter(Path.exists, [runtime.FILE]))]
    groups = [(told, problems, "")]
    if experiments and not changes and file == params.FILE:
        hint = ": these experiments would not run, `dvc repro` does not read them"
        groups.append((["experiments/*.yaml"], params.check_experiments(), hint))
    for names, found, what in groups:
        if found:
            show(problem_table(found))
            log.info("%d problem%s in %s%s", len(found), "s" * (len(found) != 1), listed(names), what)
    if fine := [name for names, found, _ in groups if not found for name in names]:
        log.info("%s %s in order", listed(fine), "is" if len(fine) == 1 else "are")
    if any(found for _, found, _ in groups):
        raise typer.Exit(1)


def listed(names: list[str]) -> str:
    """ "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def parse(changes: list[str]) -> dict[str, Any]:
    """["a.b=1"] -> {"a.b": 1}; values are YAML."""
    from ruamel.yaml import YAML

    found = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise typer.BadParameter(f"{change!r} should be KEY=VALUE, e.g. size=demo")
        found[key] = YAML(typ="safe").load(value)
    return found


@app.command("list")
def list_(
    family: Annotated[str | None, typer.Argument(help="one family of plugins; all without it")] = None,
) -> None:
    """Show every plugin: what it is, and the params that it takes."""
    from pipeline import plugin
    from pipeline.listing import family_table, show

    if family is not None and family not in plugin.FAMILIES:
        raise typer.BadParameter(f"no family {family!r}{plugin.suggest(family, list(plugin.FAMILIES))}")
    for each in [family] if family else plugin.FAMILIES:
        show(family_table(each))


@app.command()
def faces(
    out: Annotated[Path, typer.Option(help="the sheet, a PNG or JPEG")] = Path("sheet.png"),
    grid: Annotated[str, typer.Option(help="people x photographs")] = "4x6",
    factor: Annotated[
        str | None,
        typer.Option(help="vary one thing alone: yaw, age, light ..., or every"),
    ] = None,
    landmarks: Annotated[bool, typer.Option(help="draw boxes and landmarks")] = False,
    world: Annotated[str | None, typer.Option(help="a preset of `worlds`; home without")] = None,
    size: Annotated[int | None, typer.Option(help="pixels a side, instead of the world's")] = None,
    seed: Annotated[int | None, typer.Option(help="other people; 0 without")] = None,
    dataset: Annotated[str | None, typer.Option(help="an ingested dataset instead of the world")] = None,
) -> None:
    """Draw a contact sheet of synthetic faces, or of an ingested dataset: the same bytes every time."""
    from pipeline import faces

    try:
        log.info("%s", faces.draw(faces.Options(out, grid, factor, landmarks, world, size, seed, dataset)))
    except (ValueError, OSError) as error:
        log.error("%s", error)
        raise typer.Exit(2) from error


@app.command()
def flow(
    targets: Annotated[list[str] | None, typer.Argument(help="stages; the whole DAG without")] = None,
) -> None:
    """Run the DAG of dvc.yaml as a Prefect flow."""
    from pipeline import flow, params

    try:
        results = flow.run_flow(targets or None)
    except params.ParamsError as error:
        log.error("%s", error)
        raise typer.Exit(2) from error
    if any(result in (flow.FAILED, flow.NOT_RUN) for result in results.values()):
        raise typer.Exit(1)


def example(command: str) -> str:
    """The last line of a command's help."""
    return f"For example: python -m pipeline {command}"


@app.command(epilog=example("run worlds world_118"))
def run(
    name: Annotated[str, typer.Argument(help="experiments/NAME.yaml")],
    rows: Annotated[list[str] | None, typer.Argument(help="rows of it; all without")] = None,
) -> None:
    """Run an experiment: each row in a workspace of its own, published numbers beside ours."""
    from pipeline import experiment
    from pipeline.listing import show_results

    try:
        found = experiment.run(name, rows or None)
    except experiment.ExperimentError as error:
        log.error("%s", error)
        raise typer.Exit(2) from error
    show_results(name, found, experiment.over_seeds(found))


@app.command(epilog=example("table worlds"))
def table(name: Annotated[str, typer.Argument(help="experiments/NAME.yaml")]) -> None:
    """Show what an experiment's rows have measured so far, and means of those that differ by seeds alone."""
    from pipeline import experiment
    from pipeline.listing import show_results

    try:
        rows = experiment.table(name)
    except experiment.ExperimentError as error:
        log.error("%s", error)
        raise typer.Exit(2) from error
    if rows:
        show_results(name, rows, experiment.over_seeds(rows))
    if all(row["model"] == experiment.PUBLISHED for row in rows):
        log.info("%s has no runs yet; to make them: python -m pipeline run %s", name, name)


@app.command(epilog=example("compare worlds alone labelled mixed"))
def compare(
    name: Annotated[str, typer.Argument(help="experiments/NAME.yaml")],
    first: Annotated[str, typer.Argument(help="the model that the others are compared with")],
    others: Annotated[list[str], typer.Argument(help="models")],
    row: Annotated[list[str] | None, typer.Option(help="a row of it, again for each; all without")] = None,
    far: Annotated[list[float] | None, typer.Option(help="of one row, true accept rates at it, too")] = None,
) -> None:
    """Paired differences of accuracy between models, over the rows of an experiment together."""
    from pipeline import experiment
    from pipeline.evaluate import paired
    from pipeline.listing import comparison_table, show

    try:
        show(comparison_table(name, experiment.compare(name, first, others, row or None, far or ())))
        for model in experiment.not_auditable(name, [first, *others], row or None):
            log.warning("%s: overlap not auditable, its training people are unknown", model)
    except (experiment.ExperimentError, paired.DrawsError) as error:
        log.error("%s", error)
        raise typer.Exit(2) from error


@app.command()
def sync() -> None:
    """Send to MLflow what could not be sent while stages ran, here and in the workspaces of experiments."""
    from pipeline import experiment, track

    root = Path.cwd()
    os.environ["MLFLOW_TRACKING_URI"] = track.store(root)
    workspaces = sorted(path.resolve() for path in experiment.WORKSPACES.glob("*/*/.ckpt/unsent"))
    left = sum(track.send(each) for each in [root, *(path.parent.parent for path in workspaces)])
    if left:
        log.error("%d runs could not be sent; they are kept", left)
        raise typer.Exit(1)
    log.info("every run is in %s", track.store(root))


if __name__ == "__main__":
    app(prog_name="python -m pipeline")
