"""What Git is told to leave alone: raw data in any form, and not what says where it is."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("data/raw/faces.tar", True),
        ("data/raw/faces/anna/1.jpg", True),
        ("data/raw/link", True),
        ("data/raw/faces.dvc", False),
        ("data/raw/faces/.gitkeep", False),
        ("sheet.png", True),
        ("docs/images/report.png", False),
        ("data/metrics/overlap.json", False),
    ],
)
def test_raw_data_stay_out_and_their_dvc_files_do_not(tmp_path, path, ignored):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    place = tmp_path / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to("/") if path.endswith("link") else place.touch()
    done = subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path, check=False)
    assert (done.returncode == 0) == ignored
