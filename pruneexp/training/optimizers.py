"""The optimizer of a recipe: torch's own update functions over moments that are plain tensors.

Functions instead of ``torch.optim``'s classes, because a checkpoint saves the moments as tensors, and because the
classes take 55 us a step on a CPU, 2 % of a LeNet-300-100 step at batch 64. Weight decay is 0 here: ``step`` adds the
penalties.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import softshrink
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from pruneexp.training.recipe import Recipe

# One pass over weights, gradients and moments instead of one per operation: 0.91 of the time of a LeNet-300-100 step
# on one CPU core.
_FUSED = ("cpu", "cuda")


class MomentOptimizer(Protocol):
    """Changes parameters in place; ``moments`` are all that it remembers between updates."""

    @property
    def moments(self) -> Mapping[str, list[Tensor]]: ...

    def update(self, lr: float) -> None:
        """Apply one step to the parameters that have a gradient."""


@dataclass(frozen=True)
class FunctionalOptimizer:
    """Parameters on one device, and for each name of a moment one tensor per parameter; all moments start at zero.

    A weight that is zero and never gets a gradient therefore stays exactly zero under every update.
    """

    parameters: Sequence[nn.Parameter]
    recipe: Recipe
    moments: Mapping[str, list[Tensor]]
    fused: bool

    @torch.no_grad()
    def update(self, lr: float) -> None:
        """Apply one step to the parameters that have a gradient."""
        values: list[Tensor] = list(self.parameters)
        gradients = [value.grad for value in values if value.grad is not None]
        moments = self.moments
        if len(gradients) < len(values):
            reached = [index for index, value in enumerate(values) if value.grad is not None]
            values = [values[index] for index in reached]
            moments = {name: [tensors[index] for index in reached] for name, tensors in moments.items()}
        if self.recipe.optimizer == "sgd":
            self._sgd(values, gradients, moments, lr)
        else:
            self._adam(values, gradients, moments, lr)

    def _sgd(
        self, values: list[Tensor], gradients: list[Tensor], moments: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        sgd(
            values,
            gradients,
            list(moments["momentum"]) if "momentum" in moments else [None] * len(values),
            fused=self.fused,
            weight_decay=0.0,
            momentum=self.recipe.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=self.recipe.nesterov,
            maximize=False,
        )

    def _adam(
        self, values: list[Tensor], gradients: list[Tensor], moments: Mapping[str, list[Tensor]], lr: float
    ) -> None:
        adam(
            values,
            gradients,
            moments["first"],
            moments["second"],
            [],
            moments["steps"],
            fused=self.fused,
            amsgrad=False,
            beta1=self.recipe.momentum,
            beta2=0.999,
            lr=lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


@dataclass(frozen=True)
class ProximalOptimizer:
    """Accelerated proximal gradient on some parameters, and another optimizer on the ``rest``.

    z = x - lr g, s = S(z, lr strength), v <- s - x + momentum v, x <- s + momentum v: equations 10 to 12 of Huang and
    Wang 2018, as their code numbers them. S(z, t) is the soft threshold sign(z) max(|z| - t, 0). A parameter whose s is
    0 twice in a row is exactly 0.
    """

    rest: MomentOptimizer
    strengths: Mapping[Tensor, float]
    velocities: list[Tensor]
    momentum: float

    @property
    def moments(self) -> Mapping[str, list[Tensor]]:
        return {**self.rest.moments, "velocity": self.velocities}

    @torch.no_grad()
    def update(self, lr: float) -> None:
        """Apply one step to the parameters that have a gradient."""
        self.rest.update(lr)
        for (value, strength), velocity in zip(self.strengths.items(), self.velocities, strict=True):
            if value.grad is not None:
                shrunk = softshrink(value - lr * value.grad, lr * strength)
                velocity.mul_(self.momentum).add_(shrunk - value)
                value.copy_(shrunk + self.momentum * velocity)


def build(
    parameters: Sequence[nn.Parameter], recipe: Recipe, shrunk: Mapping[Tensor, float] | None = None
) -> MomentOptimizer:
    """A fresh optimizer over ``parameters``, at least one, all on one device.

    Those that are ``shrunk`` take proximal steps of these strengths.
    """
    shrunk = shrunk or {}
    rest = [parameter for parameter in parameters if parameter not in shrunk]
    usual = FunctionalOptimizer(rest, recipe, _moments(rest, recipe), parameters[0].device.type in _FUSED)
    if not shrunk:
        return usual
    return ProximalOptimizer(usual, shrunk, [torch.zeros_like(each) for each in shrunk], recipe.momentum)


def _moments(parameters: Sequence[nn.Parameter], recipe: Recipe) -> dict[str, list[Tensor]]:
    # Fused kernels ignore strides: a moment needs the memory layout of its parameter, which zeros_like gives it.
    if recipe.optimizer == "sgd":
        return {"momentum": [torch.zeros_like(p) for p in parameters]} if recipe.momentum else {}
    return {
        "first": [torch.zeros_like(p) for p in parameters],
        "second": [torch.zeros_like(p) for p in parameters],
        "steps": [torch.zeros((), device=p.device) for p in parameters],
    }
