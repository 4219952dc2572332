"""A training's state on disk: whole or absent, of these params or refused.

A checkpoint is one file, `<steps done>.pt`, written aside and renamed; the newest two are kept and the newest
one that reads whole is loaded. It carries the fingerprint of what was asked for (params, data, code).
"""

from __future__ import annotations

import io
import logging
import pickle
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import files

logger = logging.getLogger(__name__)

_KEPT = 2


class Checkpoints:
    """The checkpoints of one training in `folder`, one every `every` seconds at most."""

    def __init__(self, folder: str | Path, fingerprint: str, every: float = 30.0) -> None:
        self.folder, self.fingerprint, self.every = Path(folder), fingerprint, every
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._last >= self.every

    def save(self, steps: int, state: dict[str, Any]) -> Path:
        """Writes `state` (tensors, numbers, strings, lists, dicts); a failure leaves earlier ones whole."""
        path = self.folder / f"{steps:09d}.pt"
        memory = io.BytesIO()  # torch turns a full disk into an error without a name; files.writing doesn't
        torch.save({**state, "fingerprint": self.fingerprint}, memory)
        with files.writing(path) as file:
            file.write(memory.getbuffer())
        for old in self._files()[_KEPT:]:
            old.unlink(missing_ok=True)
        self._last = time.monotonic()
        return path

    def load(self) -> dict[str, Any] | None:
        """The newest whole state, None where there is none; one of another training is an error."""
        for torn in self.folder.glob(".*.tmp"):  # of a process that was killed while it wrote
            torn.unlink(missing_ok=True)
        for path in self._files():
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
                logger.warning("%s is not whole and is passed over: %s", path, error)
                continue
            if state.get("fingerprint") != self.fingerprint:
                raise ValueError(
                    f"{path} belongs to other params, data or code (its fingerprint is "
                    f"{state.get('fingerprint')!r}, not {self.fingerprint!r}); remove it to start afresh"
                )
            return state
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.pt"), reverse=True)


def random_state() -> dict[str, Any]:
    """Where every generator of this process stands."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, leftover = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [name, torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, gauss],
        "python": [version, list(words), leftover],
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Puts every generator back where `random_state` found it."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, words, leftover = state["python"]
    random.setstate((version, tuple(words), leftover))


def seed_all(seed: int) -> None:
    """Starts every generator of this process at `seed`."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
