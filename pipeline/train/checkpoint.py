"""A training's state on disk: whole or absent, of these params or refused.

A checkpoint is one file, `<steps done>.pt`, written aside and renamed; the newest two are kept and the newest
one that reads whole is loaded. It carries the fingerprint of what was asked for (params, data, code), without
which it is refused, and the facts of where it was made (versions, threads, device): a training that goes on
elsewhere is the same up to rounding only, and that is said.
"""

from __future__ import annotations

import io
import logging
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline import files

logger = logging.getLogger(__name__)

_KEPT = 2


class Checkpoints:
    """The checkpoints of one training in `folder`, one every `every` seconds at most.

    `facts` are those of this machine and process on which bits depend (`pipeline.runtime.facts`).
    """

    def __init__(
        self,
        folder: str | Path,
        fingerprint: str,
        every: float = 30.0,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.fingerprint, self.every = Path(folder), fingerprint, every
        self.facts = dict(facts or {})
        self._last = time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._last >= self.every

    def save(self, steps: int, state: dict[str, Any]) -> Path:
        """Writes `state` (tensors, numbers, strings, lists, dicts); a failure leaves earlier ones whole."""
        path = self.folder / f"{steps:09d}.pt"
        memory = io.BytesIO()  # torch turns a full disk into an error without a name; files.writing doesn't
        torch.save({**state, "fingerprint": self.fingerprint, "facts": self.facts}, memory)
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
            except Exception as error:  # what a damaged file raises has no end: KeyError, ValueError ...
                logger.warning("%s is not whole, it is renamed and passed over: %s", path, error)
                path.rename(path.with_suffix(".damaged"))  # lest it count among the newest that are kept
                continue
            if state.get("fingerprint") != self.fingerprint:
                raise ValueError(
                    f"{path} belongs to other params, data or code (its fingerprint is "
                    f"{state.get('fingerprint')!r}, not {self.fingerprint!r}); remove it to start afresh"
                )
            if others := elsewhere(state.get("facts", {}), self.facts):
                logger.warning(
                    "%s was made with %s: the end will equal that of an uninterrupted training up to "
                    "rounding only; go back to what it was made with, or remove %s to start afresh",
                    *(path, "; ".join(others), self.folder),
                )
            return state
        return None

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.pt"), reverse=True)


def elsewhere(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Every fact that two processes differ in: "torch 2.4.0, which is 2.5.0 now"."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [
        f"{name} {before.get(name, 'unknown')}, which is {now.get(name, 'unknown')} now" for name in names
    ]


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
