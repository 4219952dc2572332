"""What stages use of `stage.Run`, in memory: the one fake of all tests of stages."""

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from pipeline.runtime import Runtime


def here(workers=0):
    return Runtime(device="cpu", threads=1, workers=workers)


@dataclass
class FakeRun:
    item: str | None
    params: dict
    benchmark: bool = False
    runtime: Runtime = field(default_factory=here)
    checkpoints: Path = Path(".ckpt/stage/fingerprint")
    told: dict = field(default_factory=dict)
    side: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)
    artifacts: dict = field(default_factory=dict)
    logged: list = field(default_factory=list)
    said: list = field(default_factory=list)
    steps: float = 0

    def through(self, *stages):
        """Runs the stages one after the other; yields each one's name. Checkpoints are of a stage alone."""
        kept = self.checkpoints
        for stage in stages:
            name = stage.__name__.rpartition(".")[2]
            self.checkpoints = kept / name
            stage.main(self)
            yield name
        self.checkpoints = kept

    @property
    def prepared(self):
        return Path("data/benchmarks" if self.benchmark else "data/prepared")

    def metrics(self, values):
        json.dumps(values, allow_nan=False)  # what is not JSON is refused, as by the file
        self.told = dict(values)

    def say(self, text):
        self.said.append(text)

    def log(self, values, step=None):
        self.logged.append((step, dict(values)))

    def artifact(self, path, name=None):
        self.artifacts[name] = Path(path).read_bytes()

    def figure(self, path, name=None):
        self.figures[name] = Path(path).read_bytes()

    @contextlib.contextmanager
    def progress(self, total, what):
        """A bar that must end at its total, unless that is 0: unknown."""
        before = self.steps

        def advance(steps=1):
            self.steps += steps

        yield SimpleNamespace(advance=advance)
        assert not total or self.steps - before == total, f"{what}: {self.steps - before} of {total}"
