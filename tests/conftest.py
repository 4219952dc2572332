"""What all tests share: few threads, no network, nothing sent to a tracking server."""

import os
import sys
from pathlib import Path

import pytest

for name, value in {
    "OMP_NUM_THREADS": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",
    "DO_NOT_TRACK": "true",
    "LIKENESS_TRACKING": "later",  # stages keep what they log, and start no sender
}.items():
    os.environ.setdefault(name, value)

ROOT = Path(__file__).parent.parent

STAGE = '''"""A stage for tests."""
from pipeline import stage

{imports}
def main(run: stage.Run) -> None:
{body}

if __name__ == "__main__":
    stage.execute(main)
'''


@pytest.fixture
def project(tmp_path, monkeypatch):
    """make(body) writes a tiny project, whose one stage `toy` has that body, to the working directory."""

    def make(body: str, params: str = "toy: {a: {steps: 3, seed: 5}, b: {steps: 2}}\n", imports: str = ""):
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        (tmp_path / "stages").mkdir(exist_ok=True)
        (tmp_path / "stages" / "__init__.py").touch()
        (tmp_path / "stages" / "toy.py").write_text(STAGE.format(body=lines, imports=imports))
        (tmp_path / "params.yaml").write_text(params)
        (tmp_path / "dvc.yaml").write_text(
            "stages:\n"
            "  toy:\n"
            "    foreach: ${toy}\n"
            "    do:\n"
            "      cmd: python -m stages.toy ${key}\n"
            "      deps: [stages/toy.py]\n"
            "      params: ['toy.${key}']\n"
            "      outs: ['data/runs/toy/${key}.json']\n"
            "      metrics: [{'data/metrics/toy/${key}.json': {cache: false}}]\n"
        )
        return tmp_path

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("DVC_STAGE", "DVC_ROOT", "MLFLOW_TRACKING_URI", "LIKENESS_GROUP"):
        monkeypatch.delenv(name, raising=False)
    return make
