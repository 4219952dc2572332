"""dvc.yaml against the code: a stage's deps are what it imports, no less and no more."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
import yaml
from dvc.utils.serialize import load_yaml
from dvc_data.hashfile.meta import Meta
from pydantic import BaseModel

from pipeline import crops, declared, plugin
from pipeline.params import schema
from pipeline.synthetic.world import Sizes, World

ROOT = Path(__file__).parent.parent
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
PIPELINE = load_yaml(str(ROOT / "dvc.yaml"))["stages"]

# What can't change an output, each with the reason.
EXEMPT = {
    "pipeline/stage.py": "surrounds a stage: hands over params, times, tracks",
    "pipeline/declared.py": "reads what dvc.yaml declares, as DVC resolves it",
    "pipeline/guard.py": "locks and the death of orphans",
    "pipeline/journal.py": "tracking: writes under .ckpt only",
    "pipeline/track.py": "tracking: runs in a process of its own",
    "pipeline/leftovers.py": "moves away what no stage makes in a folder that a stage depends on",
    "pipeline/progress.py": "a progress bar",
    "pipeline/runtime.py": "where to run; by rule it changes nothing beyond rounding",
    "pipeline/plugin.py": "finds a file by its name; the file found is a dependency",
    "pipeline/files.py": "puts the bytes that it is given into place",
    "pipeline/strict.py": "refuses unknown params, computes nothing",
}
READ = {"pipeline/report/html.py": "pipeline/report/templates"}  # code -> the folder of what it reads
# Code that a stage reaches only by loading a model: it is a dependency of the stage that made the model. The
# model's code.json holds its digest, so that an edit (a head's `classify`) re-runs what reads the model, too.
CARRIED = ("backbones", "convs", "heads", "landmarks")
CHOSEN_BY = {  # family -> key of a stage's entry whose value is a plugin's name
    "backbones": "backbone",
    "convs": "conv",
    "heads": "head",
    "augment": "augment",
    "clusters": "cluster",
    "landmarks": "net",
}


@cache
def imports(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """Files of the project that `file` imports, anywhere in it, and families that it loads by name."""
    found, families = set(), set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative imports are not followed here"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "plugin.load":
            name = node.args[0]
            assert isinstance(name, ast.Constant), f"{file}:{node.lineno}: which family?"
            families.add(name.value)
    parents = {".".join(name.split(".")[: n + 1]) for name in found for n in range(name.count(".") + 1)}
    return frozenset(path for name in parents if (path := module(name))), frozenset(families)


def module(name: str) -> str | None:
    if name.split(".")[0] not in ("pipeline", "stages"):
        return None
    path = name.replace(".", "/")
    return next((p for p in (f"{path}.py", f"{path}/__init__.py") if (ROOT / p).is_file()), None)


@cache
def code(file: str) -> bool:
    """False for a file that says nothing but what it is about."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse((ROOT / file).read_text()).body)


def closure(*files: str) -> tuple[set[str], set[str]]:
    """All code that is reached from `files` without passing through exempt files, and families loaded."""
    seen, families, waiting = set(), set(), list(files)
    while waiting:
        file = waiting.pop()
        if file in seen or file in EXEMPT:
            continue
        seen.add(file)
        more, loaded = imports(file)
        waiting += more
        families |= loaded
    return {file for file in seen if code(file)}, families


def plugins(family: str) -> list[str]:
    return [f"pipeline/{family}/{name}.py" for name in plugin.names(family)]


def body(group: str) -> dict:
    return PIPELINE[group].get("do", PIPELINE[group])


def groups(stage: str) -> list[str]:
    return [group for group in PIPELINE if f"stages.{stage}" in body(group)["cmd"].split()]


def choices(group: str) -> dict[str, str]:
    """Family -> the dependency whose file a scalar of the stage's own entry chooses."""
    found = {}
    for dep in body(group)["deps"]:
        chosen = re.fullmatch(r"pipeline/(\w+)/\$\{\w+\.(\w+)\}\.py", dep)
        if chosen:
            assert CHOSEN_BY[chosen[1]] == chosen[2], dep
            found[chosen[1]] = dep
    return found


def needed(stage: str, group: str) -> set[str]:
    """Every file whose edit could change an output of the stage, but for the plugins that scalars choose."""
    files, families = closure(f"stages/{stage}.py")
    chosen = choices(group)
    for family in families & set(chosen):  # whatever the choice, what it shares with its siblings
        for file in plugins(family):
            files |= closure(file)[0] - {file}
    for family in families - set(CHOSEN_BY):
        for file in plugins(family):
            files |= closure(file)[0]
    # a family that the stage's entry has no key for can only come with a model
    carried = set(CARRIED) - set(chosen)
    for folder in (READ[file] for file in files & set(READ)):
        files = files | {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).iterdir()}
    return {file for file in files if file.split("/")[1] not in carried or file in body(group)["deps"]}


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_file_has_a_stage(stage):
    assert groups(stage), f"no stage of dvc.yaml runs stages/{stage}.py"


@pytest.mark.parametrize("group", PIPELINE)
def test_deps_are_the_code_that_is_reached(group):
    stage = re.search(r"-m stages\.(\w+)", body(group)["cmd"])[1]
    deps = [dep for dep in body(group)["deps"] if dep.startswith(("pipeline", "stages"))]
    fixed = {dep for dep in deps if "${" not in dep}
    folders = {dep for dep in fixed if (ROOT / dep).is_dir()}
    need = needed(stage, group)
    missing = sorted(f for f in need - fixed if not any(f.startswith(f"{folder}/") for folder in folders))
    assert not missing, f"{group}: add to deps: {', '.join(missing)}"
    idle = sorted(f for f in fixed - folders - need if not f.startswith("stages/"))
    assert not idle, f"{group}: no import leads to: {', '.join(idle)}"
    idle = sorted(folder for folder in folders if not any(f.startswith(f"{folder}/") for f in need))
    assert not idle, f"{group}: no import leads to: {', '.join(idle)}"
    absent = sorted(dep for dep in fixed if not (ROOT / dep).exists())
    assert not absent, f"{group}: no such file: {', '.join(absent)}"


@pytest.mark.parametrize("group", ["scout", "train", "distill"])
def test_every_choice_of_a_trained_model_is_a_file_dep(group):
    keys = {"backbones", "convs", "heads", "augment"} | ({"clusters"} if group == "train" else set())
    assert set(choices(group)) == keys


def test_a_foreign_model_depends_on_the_code_that_runs_it():
    assert "pipeline/backbones/foreign.py" in body("foreign")["deps"]


def test_exempt_files_exist_and_have_a_reason():
    assert all((ROOT / file).is_file() and reason for file, reason in EXEMPT.items())


@pytest.fixture(scope="module")
def dag():
    """Address -> what DVC resolves it to, of the repository's params."""
    import os

    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return {address: declared.declared(address) for address in declared.addresses()}
    finally:
        os.chdir(before)


def rerun(dag, path: str = "", key: str = "") -> set[str]:
    """Stages that an edit of a file, or of a parameter, re-runs: those that declare it, and what follows."""

    def names_it(what):
        return any(declared.inside(path, dep) for dep in what.deps) or any(
            key == known or known.startswith(f"{key}.") or key.startswith(f"{known}.")
            for known in what.params
        )

    found = {address for address, what in dag.items() if names_it(what)}
    while True:
        outs = [out for address in found for out in dag[address].outs]
        more = {
            address
            for address, what in dag.items()
            if any(
                declared.inside(out, dep) or declared.inside(dep, out) for dep in what.deps for out in outs
            )
        }
        if more <= found:
            return found
        found |= more


def families(addresses: set[str]) -> set[str]:
    return {address.split("@")[0] for address in addresses}


def test_an_edit_reruns_what_it_can_change(dag):
    assert rerun(dag, key="distill.student.loss") == {
        "distill@student",
        "evaluate@student",
        "export@student",
        "report",
    }
    assert rerun(dag, path="pipeline/heads/unused.py") == set()
    assert rerun(dag, path="pipeline/heads/arcface.py") == set(), "nobody uses arcface"
    used = rerun(dag, path="pipeline/heads/cosface.py")
    assert {"scout", "overlap", "train@teacher", "train@alone", "distill@student", "report"} <= used
    assert not families(used) & {"ingest", "crop", "annotate", "benchmark_ingest"}
    assert rerun(dag, path="pipeline/train/distillation.py") == {
        "distill@student",
        "evaluate@student",
        "export@student",
        "report",
    }
    assert families(rerun(dag, path="pipeline/protocols/pairs.py")) == {"evaluate", "export", "report"}
    assert families(rerun(dag, path="pipeline/annotators/pose.py")) == {
        "annotate", "benchmark_annotate", "card", "benchmark_card", "cluster", "evaluate", "export",
        "report"}  # fmt: skip
    assert rerun(dag, path="pipeline/report/page.py") == {"report"}
    assert families(rerun(dag, path="pipeline/report/templates/card.html.j2")) == {
        "card", "benchmark_card", "export", "report"}  # fmt: skip
    assert families(rerun(dag, path="pipeline/report/blur.py")) == {"card", "benchmark_card", "report"}
    assert "benchmark_card" not in families(used), "its people stay, whatever the scout finds"
    assert families(rerun(dag, key="after.export")) == {"report"}
    for file in (
        "pipeline/track.py",
        "pipeline/flow.py",
        "pipeline/__main__.py",
        "pipeline/params/__init__.py",
    ):
        assert rerun(dag, path=file) == set()
    assert rerun(dag, key="runtime.threads") == set()
    assert families(rerun(dag, key="schedules.adam.lr")) == {"landmark", "report"}
    assert "ingest@synthetic_train" in rerun(dag, key="world_seed")
    assert families(rerun(dag, key="sizes.demo.epochs.distill")) == {
        "distill", "evaluate", "export", "report"}  # fmt: skip
    assert families(rerun(dag, key="sizes.demo.epochs.landmark")) == {"landmark", "report"}
    assert not families(rerun(dag, key="sizes.demo.epochs.train")) & {"scout", "overlap", "landmark"}
    assert "overlap" not in {address for address, what in dag.items() if "data.clustered" in what.params} | (
        {address for address, what in dag.items() if "data" in what.params} - {"report"}
    )
    assert {"annotate", "benchmark_annotate"} <= families(rerun(dag, key="annotators.pose.tilt"))


def test_every_stage_records_its_run_and_nothing_reads_that(dag):
    for address, what in dag.items():
        stem = address.replace("@", "/")
        assert f"data/runs/{stem}.json" in what.outs
        assert not any(declared.inside("data/runs", dep) or dep.startswith("data/runs") for dep in what.deps)
        metrics = [out for out in what.outs if out.startswith("data/metrics")]
        assert metrics in ([], [f"data/metrics/{stem}.json"])


def test_every_data_dependency_is_made_by_a_stage_or_lies_in_git(dag):
    """What lies on the disk alone may be left from before, and hide that nothing makes it."""
    outs = [out for what in dag.values() for out in what.outs]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for address, what in dag.items():
        for dep in what.deps:
            made = any(declared.inside(out, dep) or declared.inside(dep, out) for out in outs)
            in_git = any(declared.inside(file, dep) for file in tracked.splitlines())
            assert made or in_git, f"{address}: nothing makes {dep}"


def test_dvc_draws_an_edge_to_what_lies_below_a_folder(monkeypatch):
    """`data/benchmarks/crop` and the like are dependencies on every output inside."""
    from dvc.repo import Repo

    monkeypatch.chdir(ROOT)
    with Repo(str(ROOT)) as repo:
        graph = repo.index.graph
        edges = {stage.addressing: {above.addressing for above in graph.successors(stage)} for stage in graph}
    assert {"benchmark_crop@synthetic_test", "scout", "crop@synthetic_wild"} <= edges["overlap"]
    tested = {f"benchmark_{what}@synthetic_test" for what in ("crop", "annotate")}
    assert tested | {"train@teacher"} == edges["evaluate@teacher"]
    assert {"evaluate@student", "cluster@teacher", "overlap", "annotate@synthetic_wild"} <= edges["report"]
    assert {"targets@teacher", "train@teacher", "overlap"} <= edges["distill@student"]
    assert {"distill@student", "evaluate@student", "overlap"} <= edges["export@student"]
    assert edges["card@synthetic_train"] == {
        *(f"{what}@synthetic_train" for what in ("ingest", "crop", "annotate")), "overlap"}  # fmt: skip
    assert "card@synthetic_train" in edges["report"], "its metrics"
    waiting = {name for name, above in edges.items() if families(above) & {"card", "benchmark_card"}}
    assert waiting == {"report"}


def test_empty_catalogues_parse(tmp_path, monkeypatch):
    """No benchmark, no trained model, no clusters: DVC still reads the file."""
    from ruamel.yaml import YAML

    monkeypatch.chdir(tmp_path)
    yaml = YAML(typ="safe")
    values = yaml.load((ROOT / "params.yaml").read_text())
    values |= {"train": {}, "distill": {}, "foreign": {}, "balanced": {}}
    values["data"]["benchmarks"] = []
    values["after"] = {"targets": [], "cluster": [], "evaluate": [], "export": []}
    with open("params.yaml", "w") as file:
        yaml.dump(values, file)
    Path("dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    assert families(set(declared.addresses())) == {
        "ingest", "crop", "annotate", "card", "scout", "overlap", "landmark", "report"}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_stage_files_are_thin(stage):
    lines = (ROOT / "stages" / f"{stage}.py").read_text().splitlines()
    assert len(lines) <= 80, f"stages/{stage}.py has {len(lines)} lines"


def test_a_balanced_set_is_made_before_it_is_read(tmp_path, monkeypatch):
    """Its stage writes data/raw/<name>, which the ingest of the clustered role reads: no cycle."""
    from dvc.repo import Repo
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    values = yaml.load((ROOT / "params.yaml").read_text())
    values["balanced"] = {"even": {"of": ["synthetic_wild"]}}
    values["datasets"]["even"] = {"source": "shards", "crop": "as_is", "annotators": ["given"]}
    values["data"]["clustered"] = "even"
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    Repo.init(str(tmp_path)).close()
    with open("params.yaml", "w") as file:
        yaml.dump(values, file)
    Path("dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    with Repo(str(tmp_path)) as repo:
        graph = repo.index.graph
        edges = {stage.addressing: {above.addressing for above in graph.successors(stage)} for stage in graph}
    assert "balance@even" in edges["ingest@even"]
    assert {"crop@synthetic_wild", "annotate@synthetic_wild"} <= edges["balance@even"]
    assert "annotate@even" in edges["cluster@teacher"]


def keys(tree, path=()):
    """Every key at any depth, as its path."""
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield (*path, key)
        yield from keys(value, (*path, key))


def fields(kind):
    """Names of a pydantic model's fields, nested models' too."""
    for name, field in kind.model_fields.items():
        yield name
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from fields(part)


def test_no_param_has_a_name_that_the_run_cache_leaves_out():
    """DVC drops such keys, at any depth, from the key of its run cache, which would give old results."""
    dropped = {Meta.PARAM_SIZE, Meta.PARAM_NFILES}
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    wrong = [".".join(path) for path in keys(params) if path[-1] in dropped and len(path) > 1]
    loaded = [plugin.load(family, name) for family in plugin.FAMILIES for name in plugin.names(family)]
    kinds = [module.Params for module in loaded if hasattr(module, "Params")]
    for kind in (*kinds, crops.Params, World, Sizes, schema.Dataset, schema.Overlap):
        wrong += [f"{kind.__module__}.{name}" for name in fields(kind) if name in dropped]
    assert not wrong


def test_where_the_size_of_the_world_counts_so_does_what_it_stands_for():
    """The key `size` alone would not be seen by the run cache; sizes.<its value> is another key."""
    for group in PIPELINE:
        params = [one for one in body(group).get("params", []) if isinstance(one, str)]
        if "size" in params:
            assert any(one.startswith("sizes.${size}") for one in params), group
