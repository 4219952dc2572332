"""Compiled code is that of the sources as they are, and one process at a time compiles."""

import fcntl
import importlib.util
import logging

import pytest

from pipeline import compiled


@pytest.fixture
def module(tmp_path, monkeypatch):
    """module(answer) -> a new import of a file whose function gives that answer; its sources are as new."""

    monkeypatch.setattr("sys.dont_write_bytecode", True)

    def make(answer):
        path = tmp_path / "loops.py"
        path.write_text(
            "from pipeline.compiled import compiled\n\n\n"
            f"@compiled\ndef answer(x):\n    return inner(x) + {answer}\n\n\n"
            "@compiled\ndef inner(x):\n    return 10 * x\n"
        )
        monkeypatch.setattr(compiled, "_sources", lambda _: f"digest{answer}")
        spec = importlib.util.spec_from_file_location("loops", path)
        found = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(found)
        return found

    return make


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


def test_code_is_kept_by_all_sources_of_its_folder(tmp_path):
    """A formula in another file is part of a loop's code: its change must be noticed."""
    (tmp_path / "one.py").write_text("FACTOR = 1")
    before = compiled._sources.__wrapped__(tmp_path)
    assert before == compiled._sources.__wrapped__(tmp_path)
    (tmp_path / "one.py").write_text("FACTOR = 2")
    assert compiled._sources.__wrapped__(tmp_path) != before
