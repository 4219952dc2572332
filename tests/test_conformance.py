"""Every plugin of every family keeps the promises of its family, and has a test of its own."""

import ast
import inspect
from pathlib import Path

import pytest

from pipeline import plugin
from pipeline.contracts import Strict

PLUGINS = [(family, name) for family in plugin.FAMILIES for name in plugin.names(family)]
BUILD = {  # the first arguments of `build`, by family
    "sources": ["params", "raw", "settings"],
    "detectors": ["params", "raw"],
    "annotators": ["params"],
    "augment": ["params"],
    "convs": ["params"],
    "backbones": ["params", "conv", "size"],
    "heads": ["params", "dim", "classes"],
    "losses": ["params", "classifier", "scale"],
    "landmarks": ["params"],
    "clusters": ["params", "routing_size", "rows", "epochs", "seed"],
    "protocols": ["params"],
}


def test_every_family_has_plugins():
    assert all(plugin.names(family) for family in plugin.FAMILIES)


@pytest.mark.parametrize(("family", "name"), PLUGINS)
def test_plugin_has_params_build_and_a_line_of_documentation(family, name):
    module = plugin.load(family, name)
    assert issubclass(module.Params, Strict)
    assert module.Params.model_config["extra"] == "forbid"
    given = list(inspect.signature(module.build).parameters)
    assert given[: len(BUILD[family])] == BUILD[family]
    assert (module.__doc__ or "").strip().splitlines()[0].rstrip().endswith((".", ":")), (
        "no one-line docstring"
    )


@pytest.mark.parametrize(("family", "name"), PLUGINS)
def test_plugin_has_a_test_file(family, name):
    path = Path("tests") / family / f"test_{name}.py"
    assert path.exists(), f"{path} is missing: a slow reference, an invariance, an extreme input"
    assert "def test_" in path.read_text()


@pytest.mark.parametrize("family", plugin.FAMILIES)
def test_families_never_import_each_other(family):
    for path in (plugin.ROOT / family).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipeline."):
                other = node.module.split(".")[1]
                assert other == family or other not in plugin.FAMILIES, f"{path} imports {node.module}"


def test_an_unknown_plugin_offers_the_nearest_one():
    with pytest.raises(plugin.UnknownPluginError, match="did you mean 'cosface'"):
        plugin.load("heads", "cosfase")


def test_an_unknown_family_lists_the_families():
    with pytest.raises(plugin.UnknownPluginError, match="families: sources"):
        plugin.names("head")


def _functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("folder", ["pipeline", "stages"])
def test_files_are_short_and_so_are_functions(folder):
    limit = 80 if folder == "stages" else 300
    long_files = {
        str(p): n for p in Path(folder).rglob("*.py") if (n := len(p.read_text().splitlines())) > limit
    }
    long_functions = {
        f"{path}:{name}": lines
        for path in Path(folder).rglob("*.py")
        for name, lines in _functions(path)
        if lines > 40
    }
    assert not long_files
    assert not long_functions
