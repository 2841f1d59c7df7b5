"""Whether a network's code can do without units, tried on a copy before anything is trained."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import removed
from pruneexp.pruning.units.unit import Units


def check_removable(units: Units, network: nn.Module, example: Tensor, *, least: int) -> None:
    """Take all but ``least`` of each group of units out of a copy; ``example`` is a batch of inputs.

    Raises:
        UserError: the network's code cannot do without them.
    """
    trial, generator = copy.deepcopy(network), torch.Generator().manual_seed(0)
    for parameter in trial.parameters():  # layers that start from zeros would hide what is wrong
        parameter.data.add_(0.02 * torch.randn(parameter.shape, generator=generator).to(parameter))
    fewest = {name: torch.arange(len(sizes)) < least for name, sizes in units.sizes.items()}
    alive = MaskSet.dense({name: weight.detach().cpu() for name, weight in weights(trial).items()})
    try:
        removed(trial, units.masks(fewest, alive), example)
    except UserError as error:
        raise UserError(f"criterion.unit: the {units.name}s of the network cannot go: {error}") from error
