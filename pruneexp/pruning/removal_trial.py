"""Whether a network's code can do without units, tried on a copy with drawn weights before anything is trained."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.branches import Branch
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.liveness import liveness
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import removed
from pruneexp.pruning.stand_ins import without_branches
from pruneexp.tracing.graphs import tensors_of
from pruneexp.tracing.trace import Trace


def check_removable(masks: MaskSet, network: nn.Module, example: Tensor, what: str) -> None:
    """Take ``what`` these masks cut out of a copy; ``example`` is a batch of inputs.

    Raises:
        UserError: the network's code cannot do without them.
    """
    try:
        removed(_drawn(network), masks, example)
    except UserError as error:
        raise UserError(f"criterion.unit: the {what} of the network cannot go: {error}") from error


def replaceable(trace: Trace, network: nn.Module, branches: Sequence[Branch]) -> tuple[Branch, ...]:
    """Those of some residual branches that the network's code can do without, the same for all weights."""
    drawn = _drawn(network)
    for name, weight in weights(drawn).items():
        if any(name in branch.layers for branch in branches):
            weight.data.zero_()
    _, gone, _ = without_branches(drawn, branches, trace.example)
    return gone


def needed(trace: Trace, network: nn.Module, branches: Sequence[Branch]) -> Branch | None:
    """The first of some branches that must stay, as without any of them no weight is on a way from inputs to outputs.

    So it is with attention where the token of the class alone is read.
    """
    layers = {name: layer.parameter for name, layer in prunable(network).items()}
    factors = prunable(network, ("conv", "linear", "recurrent"))  # an embedding of places would count as read
    tensors = tensors_of(network)

    def followed(stays: Branch | None) -> bool:
        cut = {layers[name] for branch in branches if branch is not stays for name in branch.layers}
        zeros = {name: torch.zeros_like(tensors[name]) for name in cut}
        masks = {name: zero.bool() for name, zero in zeros.items()}
        effective = liveness(trace, {**tensors, **zeros}, masks).effective
        return any(bool(effective[layers[name]].any()) for name in factors)

    return None if followed(None) else next(filter(followed, branches), None)


def _drawn(network: nn.Module) -> nn.Module:
    """A copy with other weights: in one that starts from zeros, or has diverged, nothing would be seen."""
    drawn, generator = copy.deepcopy(network), torch.Generator().manual_seed(0)
    for parameter in drawn.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        noise = 0.5 + noise / 10 if parameter.ndim < 2 else noise / parameter[0].numel() ** 0.5
        parameter.data.copy_(noise)
    for buffer in drawn.buffers():
        if buffer.is_floating_point() and not bool(buffer.isfinite().all()):
            buffer.fill_(1.0)
    return drawn
