"""Where to run: runtime.yaml as a strict schema, and the settings of torch that follow from it.

Nothing here may change a result beyond rounding. torch is never imported here before it is needed:
its threads, seed and determinism are set at the moment a stage imports it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import platform
import random
import re
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from pipeline.strict import Strict

FILE = Path("runtime.yaml")
Auto = Literal["auto"]
VERSIONS = ("torch", "numpy", "albumentations", "opencv-python-headless")  # whose code decides on bits
CUBLAS, WORKSPACES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")  # with which cuBLAS is deterministic


class RuntimeFileError(ValueError):
    """A runtime.yaml that does not fit the schema."""


class Runtime(Strict):
    """Resolved on reading: `device` is "cpu" or "cuda", `threads` and `workers` are numbers.

    `cache_gb` is of each dataset: a training on two may take twice as much.
    """

    device_choice: Literal["auto", "cpu", "cuda"] = Field(default="auto", alias="device")
    threads_choice: Annotated[int, Field(ge=1)] | Auto = Field(default="auto", alias="threads")
    workers_choice: Annotated[int, Field(ge=0)] | Auto = Field(default="auto", alias="workers")
    precision: Literal["fp32", "bf16"] = "fp32"
    cache_gb: float = Field(default=4.0, ge=0)  # decoded images of each dataset kept in memory, GB
    deterministic: bool = True
    cluster: str | None = None  # address of a Dask scheduler, whose workers prepare data then
    checkpoint_seconds: float = Field(default=30.0, ge=0)  # of training, between two checkpoints

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"; asks torch where the choice is auto."""
        if self.device_choice != "auto":
            return self.device_choice
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def threads(self) -> int:
        if self.threads_choice != "auto":
            return self.threads_choice
        given = os.environ.get("OMP_NUM_THREADS", "")
        return int(given) if given.isdigit() and int(given) else cores()

    @property
    def workers(self) -> int:
        return cores() if self.workers_choice == "auto" else self.workers_choice


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read(path: Path = FILE) -> Runtime:
    """The settings of `path`, defaults where it is absent or silent."""
    import yaml

    if not path.exists():
        return Runtime()
    try:
        values = yaml.safe_load(path.read_text()) or {}
        if not isinstance(values, dict):
            raise RuntimeFileError(f"{path}: should be a map of keys, as `threads: 2`")
        return Runtime(**values)
    except ValidationError as error:
        lines = dict.fromkeys(f"{(*e['loc'], path)[0]}: {e['msg']}" for e in error.errors())
        hint = "`python -m pipeline check` tells what would be right"
        raise RuntimeFileError(f"{path}: {'; '.join(lines)} ({hint})") from error
    except yaml.YAMLError as error:
        raise RuntimeFileError(f"{path}: not YAML: {error}") from error


def versions() -> dict[str, str]:
    """Python and the libraries that can change a bit of a result."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def facts(runtime: Runtime) -> dict[str, str]:
    """All that may change the bits of a training where its params, data and code stay; imports torch."""
    import torch

    device = (
        torch.cuda.get_device_name() if runtime.device == "cuda" else torch.backends.cpu.get_cpu_capability()
    )
    settings = {name: str(getattr(runtime, name)) for name in ("threads", "precision", "deterministic")}
    machine = f"{platform.system()} {platform.machine()}"
    return {"system": machine, "device": f"{runtime.device} {device}", **settings, **versions()}


def prepare(runtime: Runtime, seed: int) -> None:
    """Seed everything, and settle torch: now if it is loaded, else as soon as it will be.

    cuBLAS reads its workspace at its first product, which is later than this, whoever has imported torch.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(runtime.threads))
    # Threads that spin while they wait ruin each other on a busy machine: drawing faces with two of two
    # cores ran at 20 images/s instead of 76 beside another process, and at 31 instead of 100 alone.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if os.environ.setdefault(CUBLAS, WORKSPACES[0]) not in WORKSPACES and runtime.deterministic:
        raise RuntimeFileError(
            f"{CUBLAS} is {os.environ[CUBLAS]!r}, with which cuBLAS is not deterministic: unset it, make it "
            f"one of {', '.join(WORKSPACES)}, or write `deterministic: false` in {FILE}"
        )
    random.seed(seed)
    when_imported("numpy", lambda numpy: numpy.random.seed(seed % 2**32))
    when_imported("torch", lambda torch: _settle_torch(torch, runtime, seed))


def _settle_torch(torch: ModuleType, runtime: Runtime, seed: int) -> None:
    torch.set_num_threads(runtime.threads)
    torch.manual_seed(seed)
    if runtime.deterministic:
        # the same switch as use_deterministic_algorithms, without its import of the compiler (3 s)
        torch.set_deterministic_debug_mode("error")
        torch.backends.cudnn.benchmark = False


def nondeterministic(error: Exception) -> str | None:
    """What to do where torch refuses an operation because `deterministic` is on; None for other errors."""
    text = str(error)
    if "CUBLAS_WORKSPACE_CONFIG" in text and "eterministic" in text:
        operation = "a matrix product of cuBLAS"
    elif found := re.search(r"(\S+) does not have a deterministic implementation", text):
        operation = found[1]
    else:
        return None
    return (
        f"{operation} is not deterministic on this device, and {FILE} says `deterministic: true`; write "
        "`deterministic: false` there (results then repeat up to rounding only), or `device: cpu`"
    )


def when_imported(name: str, then: Callable[[ModuleType], None]) -> None:
    """Call `then(module)` now if `name` is loaded, else right after its first import."""
    if name in sys.modules:
        then(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Watch(name, then))


class _Watch(importlib.abc.MetaPathFinder):
    """Finds one module through the other finders, and runs a callback after its import."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.then = then
        self.asking = False  # the other finders, of the same module

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name or self.asking:
            return None
        self.asking = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.asking = False
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            # only now: a library may just have asked whether the module is there
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            execute(module)
            self.then(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
