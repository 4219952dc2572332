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
