"""Files are whole or absent, whatever happens while they are written."""

import errno
import os

import pytest

from pipeline import files


def test_a_failed_block_leaves_the_old_file_and_no_debris(tmp_path):
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"old")
    with pytest.raises(RuntimeError, match="halfway"), files.writing(path) as file:
        file.write(b"new")
        raise RuntimeError("halfway")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_full_disk_names_the_file(tmp_path):
    path = tmp_path / "a.bin"
    with (
        pytest.raises(OSError, match=r"could not write .*a\.bin: No space left") as caught,
        files.writing(path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.errno == errno.ENOSPC
    assert not path.exists()


def test_a_failed_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "d"
    with files.writing_dir(path) as folder:
        (folder / "x").write_text("old")
    with pytest.raises(RuntimeError), files.writing_dir(path) as folder:
        (folder / "x").write_text("new")
        raise RuntimeError
    assert (path / "x").read_text() == "old"
    assert os.listdir(tmp_path) == ["d"]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    dead = 2**22 + 1  # above the largest process id
    (tmp_path / f".d.{dead}.tmp").mkdir()
    (tmp_path / f".d.{os.getppid()}.tmp").mkdir()
    with files.writing_dir(tmp_path / "d") as folder:
        (folder / "x").touch()
    assert sorted(os.listdir(tmp_path)) == sorted(["d", f".d.{os.getppid()}.tmp"])


def test_json_is_the_same_bytes_and_refuses_nan(tmp_path):
    files.write_json(tmp_path / "a", {"b": 1, "a": 2})
    files.write_json(tmp_path / "b", {"a": 2, "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(ValueError, match=r"/a: b\.c\[1\] is nan"):
        files.write_json(tmp_path / "a", {"a": 1.0, "b": {"c": [0.0, float("nan")]}})
    assert files.read_json(tmp_path / "a") == {"a": 2, "b": 1}


def test_a_removed_folder_is_not_brought_back_by_who_still_writes_there(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    with pytest.raises(FileNotFoundError), files.making_dir(kept / "a") as late:
        (late / "first").touch()
        files.remove_dir(kept)
        with pytest.raises(FileNotFoundError):
            (late / "second").touch()
    with pytest.raises(FileNotFoundError), files.making_dir(kept / "b"):
        pass
    files.remove_dir(kept)  # no folder, no error
    assert os.listdir(tmp_path) == []


def test_what_a_kill_leaves_of_a_removal_is_swept(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    with monkeypatch.context() as killed:
        killed.setattr(files.shutil, "rmtree", lambda *_, **__: None)
        killed.setattr(files.os, "getpid", lambda: 2**22 + 1)
        files.remove_dir(tmp_path / "a")
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.")
    files.sweep(tmp_path)
    assert os.listdir(tmp_path) == []
