"""One step of training: forward, backward, penalty, mask, clip, update. Never waits for the device.

Masked gradients keep pruned weights at exactly zero: every moment starts at zero, and no optimizer or penalty moves a
zero weight without gradient and moments. So the step does not mask the weights after the update, which took 7 % of a
LeNet-300-100 step; ``fit`` checks them once per epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.enforcement import Enforcement
from pruneexp.pruning.layers import block_scales, channel_scales, weights
from pruneexp.tasks.task import Task
from pruneexp.training import optimizers
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import CombinedPenalty, Penalty, Reach, ScaleShrinkage, parts_of, reach_of


def reached(network: nn.Module, reach: Reach) -> list[Tensor]:
    """The trainable parameters that a penalty acts on."""
    found: dict[Reach, Callable[[], Sequence[Tensor]]] = {
        "weights": lambda: list(weights(network).values()),
        "parameters": lambda: list(network.parameters()),
        "channel_scales": lambda: list(channel_scales(network).values()),
        "block_scales": lambda: list(block_scales(network).values()),
    }
    return [each for each in found[reach]() if each.requires_grad]


#: What a network may lack, by the reach.
_LACKING: dict[Reach, str] = {
    "channel_scales": "the scales of batch normalisation",
    "block_scales": "the scales of residual blocks, which model.block_scales=true adds to ResNets",
}


def check_reach(penalty: Penalty | CombinedPenalty, network: nn.Module, key: str) -> None:
    """Refuse a penalty on scales of a network that has none; ``key`` is that of the penalty.

    Raises:
        UserError: says what is lacking.
    """
    asked = [reach for reach in map(reach_of, parts_of(penalty)) if reach in _LACKING]
    if asked and not any(reached(network, reach) for reach in asked):
        raise UserError(
            f"{key} acts on {', and on '.join(_LACKING[reach] for reach in asked)}, and {type(network).__name__} has "
            "none: choose another penalty, such as reg=l1, or a network with such scales"
        )


class Update:
    """What a step does with the gradients of the data: penalty, mask, clip, and the optimizer, which it owns.

    From here on the network's parameters must keep their identity and their ``requires_grad``.

    Raises:
        UserError: no parameter requires a gradient.
    """

    def __init__(
        self, network: nn.Module, recipe: Recipe, penalty: Penalty | CombinedPenalty, enforcement: Enforcement
    ) -> None:
        self.trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if not self.trained:
            raise UserError(f"Nothing is left to train in {type(network).__name__}: all of its parameters are frozen.")
        of_parts = [(part, reached(network, reach_of(part))) for part in parts_of(penalty)]
        shrunk = {each: part.strength for part, found in of_parts if isinstance(part, ScaleShrinkage) for each in found}
        self.optimizer = optimizers.build(self.trained, recipe, shrunk)
        self._penalised = [(part, [each for each in found if each not in shrunk]) for part, found in of_parts]
        self._recipe, self.enforcement = recipe, enforcement

    @torch.no_grad()
    def __call__(self, lr: float) -> None:
        """Change the parameters that have a gradient; the gradients change as well."""
        self._penalise(lr)
        self.enforcement.after_backward()
        if self._recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.trained, self._recipe.clip)
        self.optimizer.update(lr)
        self.enforcement.after_update()

    def _penalise(self, lr: float) -> None:
        for penalty, reach in self._penalised:
            moved = [weight for weight in reach if weight.grad is not None]
            if self._recipe.optimizer != "adamw":
                penalty.add_gradient_(moved, [weight.grad for weight in moved if weight.grad is not None])
                continue
            pulls = [torch.zeros_like(weight) for weight in moved]
            penalty.add_gradient_(moved, pulls)
            if pulls:
                torch._foreach_add_(moved, pulls, alpha=-lr)


class Step:
    """The update of one network by one batch.

    ``prepare`` turns inputs (B, ...) on the device into what the network takes.
    """

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        recipe: Recipe,
        update: Update,
        prepare: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        self.update = update
        self._network, self._task, self._recipe, self._prepare = network, task, recipe, prepare
        half = recipe.precision == "bfloat16"
        self._precision = torch.autocast(device.type, torch.bfloat16) if half else nullcontext()

    def __call__(self, inputs: Tensor, targets: Tensor, lr: float) -> Tensor:
        """Update the network by a batch; return the mean loss before the update, without penalty, on the device."""
        for parameter in self.update.trained:
            parameter.grad = None
        with self._precision:
            inputs = self._prepare(inputs)
            loss, _ = self._task.loss(self._network, inputs, targets, smoothing=self._recipe.label_smoothing)
        loss.backward()
        self.update(lr)
        return loss.detach()
