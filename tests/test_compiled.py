"""Compiled code is that of the sources as they are, and one process at a time compiles."""

import fcntl
import importlib.util
import logging
import sys

import pytest

from pipeline import compiled


@pytest.fixture
def module(tmp_path, monkeypatch):
    """module(answer) -> a new import of a file whose function takes that answer from a file beside it."""

    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "loops.py").write_text(
        "from beside import ANSWER\nfrom pipeline.compiled import compiled\n\n\n"
        "@compiled\ndef answer(x):\n    return inner(x) + ANSWER\n\n\n"
        "@compiled\ndef inner(x):\n    return 10 * x\n"
    )

    def make(answer):
        (tmp_path / "beside.py").write_text(f"ANSWER = {answer}\n")
        monkeypatch.delitem(sys.modules, "beside", raising=False)
        compiled._sources.cache_clear()
        spec = importlib.util.spec_from_file_location("loops", tmp_path / "loops.py")
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        return found

    yield make
    compiled._sources.cache_clear()
    sys.modules.pop("beside", None)


def test_what_is_kept_is_loaded_and_an_edit_is_compiled(module, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    compiled._tell.cache_clear()
    assert module(1).answer(2) == 21
    assert len(caplog.messages) == 1
    assert f"compiling the loops of {tmp_path.name}" in caplog.text
    again = module(1)
    assert again.answer(2) == 21
    assert (sum(again.answer.stats.cache_hits.values()), len(again.answer.stats.cache_misses)) == (1, 0)
    assert module(3).answer(2) == 23


def test_old_code_is_never_taken_for_new_after_a_kill(module, monkeypatch):
    assert module(1).answer(2) == 21
    with monkeypatch.context() as killed:  # before the code, after the index that points to it
        killed.setattr(compiled.IndexDataCacheFile, "_save_data", lambda *_: None)
        assert module(5).answer(2) == 25
    assert module(5).answer(2) == 25


def test_one_process_at_a_time_compiles(module, tmp_path, monkeypatch):
    lock, seen = tmp_path / "__pycache__" / "compiled.lock", []

    def free():
        with open(lock) as file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    save = compiled.FunctionCache.save_overload
    monkeypatch.setattr(
        compiled.FunctionCache, "save_overload", lambda *given: (seen.append(free()), save(*given))
    )
    loops = module(1)
    assert loops.answer(2) == 21
    assert seen == [False, False], "of the inner function and of the outer one, after that"
    assert free()
    with pytest.raises(Exception, match=r"No implementation of function"):
        loops.answer("text")
    assert free()


def test_code_is_kept_by_all_sources_of_its_folder(tmp_path, monkeypatch):
    """A formula in another file is part of a loop's code: its change must be noticed."""
    (tmp_path / "one.py").write_text("FACTOR = 1")
    before = compiled._sources.__wrapped__(tmp_path)
    assert before == compiled._sources.__wrapped__(tmp_path)
    (tmp_path / "one.py").write_text("FACTOR = 2")
    changed = compiled._sources.__wrapped__(tmp_path)
    assert changed != before
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "elsewhere" / "compiled.py"
    other.write_text("another way to compile")
    monkeypatch.setattr(compiled, "__file__", str(other))
    assert compiled._sources.__wrapped__(tmp_path) != changed
