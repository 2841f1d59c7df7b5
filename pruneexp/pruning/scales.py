"""What training multiplies channels and residual blocks by, as statistics for criteria. Knows neither data nor scores.

The factor of a channel is the scale (gamma) of the batch normalisation that is coupled to it, and of the residual block
that it lies in where that has one. Where several normalise one channel, as along the stream of a residual network, it
is the mean of their magnitudes, as in the ``BNScaleImportance`` of torch-pruning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.couplings import ChannelSet, couplings
from pruneexp.pruning.layers import PrunableLayer, block_scales, channel_scales, prunable
from pruneexp.tracing.trace import Trace

#: How many layers a message names.
_NAMED = 3


def scales_of_channels(network: nn.Module, trace: Trace, makers: Collection[str]) -> dict[str, Tensor]:
    """Of every prunable layer the factors of its outputs, in a shape that broadcasts to its weight, on the CPU.

    Outputs that must stay have 0, a score that nothing asks for; ``makers`` are the layers that may lose outputs.

    Raises:
        UserError: a channel that may go is not normalised.
    """
    layers, sets = prunable(network), couplings(trace, network, makers).sets
    gammas = {name: _magnitude(gamma) for name, gamma in channel_scales(network).items()}
    blocks = {name: _magnitude(scale) for name, scale in block_scales(network).items()}
    found, unscaled = {name: torch.zeros([1] * layer.weight.ndim) for name, layer in layers.items()}, list[str]()
    for channels in sets.values():
        tensors = [*(layers[name].parameter for name in channels.producers), *(name for name, _ in channels.readers)]
        scales = _mean(channels, gammas) * _product(blocks, tensors)
        if bool(scales.isnan().any()):
            unscaled += channels.producers
        for name, dim in channels.producers.items():
            place = channels.members[layers[name].parameter, dim]
            along = [-1 if each == dim else 1 for each in range(layers[name].weight.ndim)]
            found[name] = found[name] + torch.where(place < 0, 0.0, scales[place.clamp(min=0)]).view(along)
    if unscaled:
        more = f" and {len(unscaled) - _NAMED} others" if len(unscaled) > _NAMED else ""
        raise UserError(
            "the criterion scores channels by the scales of batch normalisation, and none scales the outputs of "
            f"{', '.join(unscaled[:_NAMED])}{more}: leave these layers out with criterion.exclude, or choose "
            "criterion=channel_magnitude"
        )
    return found


def scales_of_blocks(network: nn.Module, layers: Mapping[str, PrunableLayer]) -> dict[str, Tensor]:
    """Of each layer the magnitude of the scale of its residual block, 1 outside of such; as ``scales_of_channels``.

    Raises:
        UserError: no block has a scale.
    """
    blocks = {name: _magnitude(scale) for name, scale in block_scales(network).items()}
    if not blocks:
        raise UserError(
            f"the criterion scores residual blocks by their scales, and {type(network).__name__} has none: "
            "model.block_scales=true adds them to ResNets and PreResNets"
        )
    return {
        name: _product(blocks, [layer.parameter]).reshape([1] * layer.weight.ndim) for name, layer in layers.items()
    }


def _magnitude(scale: nn.Parameter) -> Tensor:
    return scale.detach().cpu().abs().float()


def _mean(channels: ChannelSet, gammas: Mapping[str, Tensor]) -> Tensor:
    """The mean of the scales of each channel, NaN where it has none."""
    sums, count = torch.zeros(2, channels.channels + 1).unbind()
    for (tensor, _), place in channels.members.items():
        if tensor in gammas:
            sums.index_add_(0, place % len(sums), gammas[tensor])  # -1, which is no channel of the set: the last
            count.index_add_(0, place % len(sums), torch.ones(len(place)))
    return sums[:-1] / count[:-1]


def _product(blocks: Mapping[str, Tensor], tensors: Iterable[str]) -> Tensor:
    """The scales of the blocks that all of these tensors lie in, multiplied."""
    inside = [scale for name, scale in blocks.items() if all(each.startswith(f"{name}.") for each in tensors)]
    return torch.stack([torch.ones(()), *(scale.reshape(()) for scale in inside)]).prod()
