"""What no role names any more leaves the folders that stages depend on, and the hash that DVC records."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import leftovers

OUTS = [
    "data/prepared/crop/home",
    "data/prepared/crop/wild",
    "data/metrics/crop/home.json",
    "data/metrics/all.json",
]
PIPELINE = """
stages:
  make:
    foreach: ${names}
    do:
      cmd: mkdir -p data/crop/${item} && echo ${item} > data/crop/${item}/faces
      deps: [stages/__init__.py]
      outs: ['data/crop/${item}']
  gather:
    cmd: python -m stages.gather
    deps: [stages/gather.py, data/crop]
    params: [names]
    outs: [data/runs/gather.json, data/all]
"""
GATHER = '''"""Lists a folder."""
import os
from pathlib import Path
from pipeline import stage


def main(run: stage.Run) -> None:
    Path("data/all").write_text(" ".join(sorted(os.listdir("data/crop"))))


if __name__ == "__main__":
    stage.execute(main)
'''


@pytest.fixture
def lay(tmp_path, monkeypatch):
    """lay("data/a/b", ...) writes files to the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(*paths):
        for path in paths:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(path)

    return make


def found(folder):
    return [str(path) for path in leftovers.leftovers(folder, OUTS)]


def test_finds_what_is_no_output_and_holds_none(lay):
    lay("data/prepared/crop/home/x", "data/prepared/crop/gone/a/x", "data/prepared/crop/.gitkeep")
    lay("data/prepared/crop/.wild.7.tmp/x", "data/metrics/all.json", "data/metrics/old.json")
    lay("data/metrics/crop/home.json", "data/metrics/crop/gone.json", "data/metrics/train/gone.json")
    assert found("data/prepared/crop") == ["data/prepared/crop/gone"]
    assert found("data/metrics") == [
        "data/metrics/crop/gone.json",
        "data/metrics/old.json",
        "data/metrics/train",
    ]


def test_what_a_stage_makes_or_a_user_brings_is_left_alone(lay):
    lay("data/prepared/crop/home/extra", "data/raw/casia/a.jpg", "data/models/mine/weights.pt")
    assert found("data/prepared/crop/home") == []  # an output itself
    assert found("data/raw/casia") == []  # nothing in it is made by a stage
    assert found("data/models/mine") == []


def test_files_of_the_project_are_never_looked_at(lay, monkeypatch):
    lay("pipeline/report/page.py", "data/prepared/crop/gone")
    monkeypatch.setattr("pipeline.declared.every_out", lambda: [*OUTS, "pipeline/report/made.py"])
    assert leftovers.move_aside(["pipeline/report", "data/absent", "stages/x.py"], {}) == []
    assert leftovers.move_aside(["pipeline/report", "data/prepared/crop"], {}) == [
        Path("data/prepared/crop/gone")
    ]
    assert Path("pipeline/report/page.py").exists()
    assert Path(".ckpt/leftovers/data/prepared/crop/gone").read_text() == "data/prepared/crop/gone"


def test_a_link_goes_and_what_it_leads_to_stays(lay, monkeypatch):
    lay("elsewhere/x", "data/prepared/crop/home/x")
    Path("data/prepared/crop/gone").symlink_to(Path("elsewhere").absolute())
    monkeypatch.setattr("pipeline.declared.every_out", lambda: OUTS)
    leftovers.move_aside(["data/prepared/crop"], {})
    assert not Path("data/prepared/crop/gone").is_symlink()
    assert Path("elsewhere/x").exists()


def test_a_swap_leaves_nothing_in_the_recorded_hash(project):
    """DVC itself: after a swap, dvc.lock says what a fresh machine would."""

    def dvc(*command):
        done = subprocess.run([sys.executable, "-m", "dvc", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    folder = project("pass", params="names: [old]\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "stages/gather.py").write_text(GATHER)
    dvc("init", "--no-scm", "-q")
    dvc("repro", "-q")
    (folder / "params.yaml").write_text("names: [new]\n")
    dvc("repro", "-q")
    assert Path("data/all").read_text() == "new"
    assert not Path("data/crop/old").exists()
    lock = Path("dvc.lock").read_text()
    recorded = re.search(r"path: data/crop\n(?:.*\n)*?\s+md5: (\S+)", lock.split("gather:")[1])[1]
    shutil.rmtree("data/crop")
    dvc("repro", "-q")
    assert f"md5: {recorded}" in Path("dvc.lock").read_text().split("gather:")[1]
    assert "up to date" in dvc("status")
    (folder / "params.yaml").write_text("names: [old]\n")
    assert "Running stage 'make@old'" not in dvc("repro"), "what was removed comes back from the cache"
    assert Path("data/all").read_text() == "old"
