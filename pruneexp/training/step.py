"""One step of training: forward, backward, penalty, mask, clip, update. Never waits for the device.

Masked gradients keep pruned weights at exactly zero: every moment starts at zero, and no optimizer or penalty moves a
zero weight without gradient and moments. So the step does not mask the weights after the update, which took 7 % of a
LeNet-300-100 step; ``fit`` checks them once per epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.enforcement import Enforcement
from pruneexp.pruning.layers import weights
from pruneexp.tasks.task import Task
from pruneexp.training import optimizers
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import Penalty, reach_of


class Update:
    """What a step does with the gradients of the data: penalty, mask, clip, and the optimizer, which it owns.

    From here on the network's parameters must keep their identity and their ``requires_grad``.

    Raises:
        UserError: no parameter requires a gradient.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, penalty: Penalty, enforcement: Enforcement) -> None:
        self.trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        if not self.trained:
            raise UserError(f"Nothing is left to train in {type(network).__name__}: all of its parameters are frozen.")
        self.optimizer = optimizers.build(self.trained, recipe)
        matrices = [weight for weight in weights(network).values() if weight.requires_grad]
        self._penalised = self.trained if reach_of(penalty) == "parameters" else matrices
        self._recipe, self._penalty, self.enforcement = recipe, penalty, enforcement

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
        reached = [weight for weight in self._penalised if weight.grad is not None]
        if self._recipe.optimizer != "adamw":
            self._penalty.add_gradient_(reached, [weight.grad for weight in reached if weight.grad is not None])
            return
        pulls = [torch.zeros_like(weight) for weight in reached]
        self._penalty.add_gradient_(reached, pulls)
        if pulls:
            torch._foreach_add_(reached, pulls, alpha=-lr)


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
