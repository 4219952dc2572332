"""SGD with momentum and Adam, on torch's own fused steps.

    sgd   g = grad + decay w;   v = momentum v + g;                        w = w - lr v
    adam  g = grad + decay w;   m, s = running means of g and g^2;         w = w - lr m' / (sqrt(s') + 1e-8)

m', s': without the bias of their start from zero. Same numbers as torch.optim, but without its class, which
imports the compiler (seconds of every stage), and with momentum that is there from the start: a parameter
may get its first gradient late (a clustering loss that sets in half-way).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

Kind = Literal["sgd", "adam"]
BETA2, EPSILON = 0.999, 1e-8  # of Adam


@dataclass(frozen=True)
class Group:
    """Parameters of one weight decay."""

    parameters: Sequence[nn.Parameter]
    weight_decay: float


class Optimiser:
    """Moves the parameters of `groups`. Parameters without a gradient stay, their momentum too."""

    def __init__(self, kind: Kind, groups: Sequence[Group], momentum: float) -> None:
        if kind not in ("sgd", "adam"):
            raise ValueError(f"no optimiser {kind!r}; there are 'sgd' and 'adam'")
        self.kind, self.groups, self.momentum = kind, groups, momentum
        names = ("mean", "square") if kind == "adam" else ("momentum",) if momentum else ()
        self._state: dict[nn.Parameter, dict[str, Tensor]] = {}
        for parameter in self.parameters:
            state = {name: torch.zeros_like(parameter.detach()) for name in names}
            if kind == "adam":
                state["steps"] = torch.zeros((), device=parameter.device)
            self._state[parameter] = state

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.groups for parameter in group.parameters]

    def zero_grad(self) -> None:
        for parameter in self._state:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        for group in self.groups:
            moved = [parameter for parameter in group.parameters if parameter.grad is not None]
            if moved:
                self._move(moved, [_grad(parameter) for parameter in moved], lr, group.weight_decay)

    def _move(self, moved: list[nn.Parameter], grads: list[Tensor], lr: float, weight_decay: float) -> None:
        states, tensors = [self._state[parameter] for parameter in moved], list[Tensor](moved)
        if self.kind == "sgd":
            sgd(
                tensors,
                grads,
                [state.get("momentum") for state in states],
                fused=True,
                weight_decay=weight_decay,
                momentum=self.momentum,
                lr=lr,
                dampening=0.0,
                nesterov=False,
                maximize=False,
            )
            return
        adam(
            tensors,
            grads,
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["steps"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=self.momentum,
            beta2=BETA2,
            lr=lr,
            weight_decay=weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def state_dict(self) -> list[dict[str, Tensor]]:
        """The state of each parameter, in order."""
        return [self._state[parameter] for parameter in self.parameters]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for parameter, state in zip(self.parameters, states, strict=True):
            for name, value in self._state[parameter].items():
                value.copy_(state[name])


def _grad(parameter: nn.Parameter) -> Tensor:
    """The gradient in the parameter's own memory layout, which the fused steps take for granted."""
    grad = parameter.grad
    assert grad is not None
    return grad if grad.stride() == parameter.stride() else torch.empty_like(parameter).copy_(grad)
