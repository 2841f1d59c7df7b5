"""A learned scale for each residual block of torchvision's ResNets (Huang and Wang 2018); knows nothing of pruning."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from pruneexp.errors import UserError


class ScaledBasicBlock(BasicBlock):  # type: ignore[misc]  # torchvision has no types
    """Torchvision's block of two convolutions, times ``scale`` beside its shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y)) * self.scale
        result: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return result


class ScaledBottleneck(Bottleneck):  # type: ignore[misc]
    """Torchvision's block of three convolutions, times ``scale`` beside its shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y)) * self.scale
        result: Tensor = self.relu(y + (x if self.downsample is None else self.downsample(x)))
        return result


_SCALED: dict[type[nn.Module], type[nn.Module]] = {BasicBlock: ScaledBasicBlock, Bottleneck: ScaledBottleneck}


def scale_blocks_(network: nn.Module, name: str) -> None:
    """Give each residual block a ``scale`` of 1, in place: its outputs stay, and so do the names of its layers.

    Raises:
        UserError: the network, which people call ``name``, has no block of torchvision's ResNets.
    """
    blocks = [module for module in network.modules() if type(module) in _SCALED]
    if not blocks:
        raise UserError(
            f"model.block_scales=true scales the residual blocks of ResNets, and {name} has none: "
            "use model.block_scales=false, or model.name=resnet50 and the like"
        )
    for block in blocks:
        block.__class__ = _SCALED[type(block)]
        block.scale = nn.Parameter(torch.ones(()))
