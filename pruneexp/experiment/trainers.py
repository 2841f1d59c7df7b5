"""Which trainer trains what: the one that is asked for, or one that follows from network, device and recipe alone."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import torch
from torch import nn

from pruneexp.config.checks import AUTOMATIC, check_trainer
from pruneexp.errors import UserError
from pruneexp.experiment.instances import part
from pruneexp.experiment.spec import JobSpec
from pruneexp.experiment.threads import cores
from pruneexp.stages.parts import Part
from pruneexp.stages.setting import Setting
from pruneexp.training import trainers
from pruneexp.training.chain import stackable
from pruneexp.training.recipe import Recipe
from pruneexp.training.trainer import Trainer

#: Parameters of the largest network that is stacked unasked: with gradients and moments, some 12 MB of a cache.
#: LeNet-300-100 has 0.27 million; one thread trains it faster so than by autograd, alone or not (benchmarks.stacked).
STACKED_PARAMETERS = 1_000_000

#: Where the code of networks comes from that are stacked unasked.
_KNOWN = ("pruneexp.models.", "torch.nn.")


def gains_by_stacking(network: nn.Module) -> bool:
    """Whether trainings of such a classifier take less time in a stack than one after the other.

    Code of others may have branches that its trace does not show, so that it is stacked where the user says so.
    """
    small = sum(each.numel() for each in network.parameters()) <= STACKED_PARAMETERS
    known = all(type(module).__module__.startswith(_KNOWN) for module in network.modules())
    return small and known and not stackable(network)


def trainer_of(
    spec: JobSpec, recipe: Recipe, device: torch.device, *, stacks: bool, alone: bool = False, whole: bool = False
) -> Part[Trainer]:
    """The trainer of one phase.

    ``stacks``: whether the network gains by it; ``alone``: whether it is trained as no stack can, with parts frozen in
    turn or by a teacher; ``whole``: whether it has all its channels, of which none can be removed. What else is to be
    trained has no say, so that a network has the same numbers alone and in company.

    Raises:
        UserError: there is no such trainer, or one of the user's cannot be made.
    """
    asked = spec.values["train"]["trainer"]
    check_trainer(asked)
    if asked == AUTOMATIC:
        stacked = stacks and not alone and device.type == "cpu" and recipe.precision == "float32"
        asked = "stacked" if stacked else "single"
    if asked == "removed" and whole:
        asked = "single"
    if isinstance(asked, dict):
        return part(spec, "train.trainer", asked)
    return _ours(spec, asked)


def _ours(spec: JobSpec, name: str) -> Part[Trainer]:
    """The trainer in the file of that name; ``single``, which defines the numbers, leaves no trace in identities."""
    module: Any = import_module(f"{trainers.__name__}.{name}")
    trainer: Any = getattr(module, name.title())()
    if hasattr(trainer, "threads"):
        trainer = replace(trainer, threads=cores(spec.runtime))
    return Part(trainer, {"name": name, "version": module.VERSION} if name != "single" else {})


def check_trainers(spec: JobSpec, setting: Setting, network: nn.Module) -> None:
    """Refuse a trainer that cannot train the network.

    Raises:
        UserError: says why not, and what can.
    """
    learner = setting.learner
    for regime in (setting.dense, setting.retraining):
        reason = regime.trainer.value.refusal(network, learner.task.value, regime.recipe.value, learner.device)
        if reason:
            asked = spec.values["train"]["trainer"]
            raise UserError(
                f"train.trainer={asked if isinstance(asked, str) else asked['_target_']} cannot train "
                f"model={spec.choices['model']}: {reason}; train.trainer=single trains every network"
            )
