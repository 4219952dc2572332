"""The numbers of an epoch: kept on the device until asked for, so that no step waits for one.

A value that is not finite is found at the next `settle`, with the step and the term it came from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor


class NotFiniteError(FloatingPointError):
    """A loss term became NaN or infinite at a step."""

    def __init__(self, step: int, name: str, value: float) -> None:
        super().__init__(f"{name} is {value} at step {step}")
        self.step, self.name, self.value = step, name, value


class Ledger:
    """Loss terms of the current epoch by name and step. Terms may come and go from step to step."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, dict[str, Tensor]]] = []
        self._values: dict[str, dict[int, float]] = {}

    def note(self, step: int, terms: Mapping[str, Tensor]) -> None:
        self._waiting.append((step, {name: value.detach() for name, value in terms.items()}))

    def settle(self) -> None:
        """Fetches what waits; the first step with a value that is not finite is an error."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        flat = torch.stack([value.float() for _, terms in waiting for value in terms.values()]).tolist()
        names = [(step, name) for step, terms in waiting for name in terms]
        for (step, name), value in zip(names, flat, strict=True):
            if not math.isfinite(value):
                raise NotFiniteError(step, name, value)
            self._values.setdefault(name, {})[step] = value

    def means(self, since: int = 0) -> dict[str, float]:
        """Each term's mean over the steps from `since` in which it was there; settled ones only."""
        means = {}
        for name, values in self._values.items():
            recent = [value for step, value in values.items() if step >= since]
            if recent:
                means[name] = math.fsum(recent) / len(recent)
        return means

    def clear(self) -> None:
        self._values.clear()

    def state(self) -> dict[str, dict[int, float]]:
        """What to checkpoint; settled."""
        return {name: dict(values) for name, values in self._values.items()}

    def load(self, state: dict[str, dict[int, float]]) -> None:
        self._values = {name: dict(values) for name, values in state.items()}
