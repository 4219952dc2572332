"""CONTRIBUTING.md and README.md are true: the head of the guide works, what is to be committed can be."""

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TRIED = """
import torch
from pipeline import plugin
module = plugin.load("heads", "myhead")
head = module.build(module.Params(s="adaptive"), dim=8, classes=5)
x, y = torch.randn(6, 8, requires_grad=True), torch.randint(5, (6,))
logits, plain = head(x, y), head.classify(x)
assert logits.shape == plain.shape == (6, 5)
torch.nn.functional.cross_entropy(logits, y).backward()
assert x.grad.abs().sum() > 0 and head.weight.grad.abs().sum() > 0
"""


def blocks(language):
    """The code blocks of the section on heads."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## Add a head")[1].split("\n## ")[0]
    found = re.findall(rf"^   ```{language}\n(.*?)^   ```", section, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


@pytest.fixture
def copy(tmp_path):
    """A copy of the project with the head and its test; copy(*command) runs Python there."""
    leave = shutil.ignore_patterns("__pycache__")
    for folder in ("pipeline", "data/raw", "data/overlap", "tests/heads"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=leave)
    for file in ("params.yaml", "pyproject.toml", "tests/test_conformance.py", "tests/conftest.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / "data/models").mkdir()
    (tmp_path / "data/models/none").touch()
    head, test = blocks("python")
    (tmp_path / "pipeline/heads/myhead.py").write_text(head)
    (tmp_path / "tests/heads/test_myhead.py").write_text(test)

    def call(*command):
        words = [sys.executable, *command]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return call


def test_the_head_of_the_guide_works(copy):
    listed, checked = (shlex.split(line)[1:] for line in blocks("bash")[0].splitlines())
    done = copy(*listed)
    assert "myhead" in done.stdout
    assert "can't be loaded" not in done.stdout
    done = copy(*checked)
    assert done.returncode == 0, done.stdout
    done = copy("-c", TRIED)
    assert done.returncode == 0, done.stderr
    done = copy(
        "-m", "pytest", "-q", "-k", "myhead", "tests/heads/test_myhead.py", "tests/test_conformance.py"
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout, "3 of its own, 2 of every plugin"
    for check in (["check"], ["format", "--check"]):
        done = copy("-m", "ruff", *check, "pipeline/heads/myhead.py", "tests/heads/test_myhead.py")
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", ["dvc.lock", "data/metrics/evaluate/alone.json"])
def test_what_the_readme_says_is_to_be_committed_is_not_ignored(path):
    assert "commit `dvc.lock`, with `params.yaml` and `data/metrics/`" in (ROOT / "README.md").read_text()
    ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT)
    assert ignored.returncode == 1
