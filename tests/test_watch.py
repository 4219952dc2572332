"""What is to happen at the first import of a module happens then, whoever asked before if it is there."""

import importlib
import importlib.util
import sys

import pytest

from pipeline import runtime


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "watched_here.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "watched_here"
    sys.modules.pop("watched_here", None)


def test_asking_whether_a_module_is_there_does_not_disarm_the_watch(module):
    seen = []
    runtime.when_imported(module, seen.append)
    assert importlib.util.find_spec(module) is not None
    assert not seen
    assert importlib.import_module(module).value == 1
    assert [found.__name__ for found in seen] == [module]
    importlib.reload(sys.modules[module])
    assert len(seen) == 1
    runtime.when_imported(module, seen.append)
    assert len(seen) == 2, "now, as it is loaded"
