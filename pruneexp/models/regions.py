"""Boxes of a detector as tensors of fixed sizes, so that its pass is one graph for all images.

Where torchvision drops boxes, these mark them. Knows no network and no data set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import batched_nms, roi_align

#: The score of what is no box: a suppressed one, or one too small.
NONE = -1.0
RATIOS = (0.5, 1.0, 2.0)  # height / width of anchors
POOLED = 7  # px, side of what the second stage sees of a box
_SHARPEST, _CANONICAL = 32, 224  # px: sides of the smallest anchor, and of a box that the third of four levels pools


@torch.library.custom_op("pruneexp::unsuppressed", mutates_args=())
def unsuppressed(boxes: Tensor, scores: Tensor, groups: Tensor, allowed: Tensor, threshold: float) -> Tensor:
    """Which of ``allowed`` boxes (B, N, 4) non-maximum suppression keeps, by itself in each group; boolean (B, N).

    One operation of a graph: how many are kept depends on the images, the size of the result does not.
    """
    kept = torch.zeros_like(allowed)
    for image in range(len(boxes)):  # by image, as torchvision does: it moves groups apart, and so loses digits
        places = allowed[image].nonzero().flatten()
        own = (each[image, places] for each in (boxes.float(), scores.float(), groups))
        kept[image, places[batched_nms(*own, threshold)]] = True
    return kept


@unsuppressed.register_fake
def _(boxes: Tensor, scores: Tensor, groups: Tensor, allowed: Tensor, threshold: float) -> Tensor:
    return torch.empty_like(allowed)


def strongest(
    boxes: Tensor, scores: Tensor, groups: Tensor, allowed: Tensor, threshold: float, count: int
) -> tuple[Tensor, Tensor]:
    """Scores and places, (B, count or N), of the boxes (B, N, 4) with the highest scores (B, N) that are kept.

    ``groups``, int64 (B, N), suppress their own boxes alone. After the boxes that are kept come others, by ``NONE``.
    """
    kept = unsuppressed(boxes, scores, groups, allowed, threshold)
    found = scores.masked_fill(~kept, NONE).sort(dim=1, descending=True, stable=True)
    return found.values[:, :count], found.indices[:, :count]


def large(boxes: Tensor, least: float) -> Tensor:
    """Which boxes (..., 4) have sides of ``least`` px and more."""
    return ((boxes[..., 2:] - boxes[..., :2]) >= least).all(-1)


class Anchors(nn.Module):
    """Anchors of these sides, px, on each map: one list of sides for each; made anew in each pass, with no state."""

    def __init__(self, sides: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.sides = tuple(tuple(each) for each in sides)

    def forward(self, images: ImageList, maps: list[Tensor]) -> list[Tensor]:
        found: list[Tensor] = AnchorGenerator(self.sides, (RATIOS,) * len(self.sides))(images, maps)
        return found


class LevelPool(nn.Module):
    """What maps show inside of boxes, (boxes, channels, 7, 7): each box of the map that fits its size.

    The rule is that of feature pyramids (Lin et al. 2017, equation 1), as torchvision's ``MultiScaleRoIAlign`` has it,
    with a canonical size of 224 px where the ``smallest`` anchor has 32, and in proportion elsewhere. Every map pools
    every box, so that no size depends on the boxes.
    """

    def __init__(self, smallest: int) -> None:
        super().__init__()
        self.canonical = _CANONICAL * smallest / _SHARPEST

    def forward(self, features: Mapping[str, Tensor], boxes: list[Tensor], shapes: list[tuple[int, int]]) -> Tensor:
        maps = [each for name, each in features.items() if name != "pool"]
        scales = [2.0 ** round(math.log2(each.shape[-1] / shapes[0][1])) for each in maps]
        regions = torch.cat([pad(each, (1, 0), value=float(image)) for image, each in enumerate(boxes)])
        pooled: list[Tensor] = [
            roi_align(each, regions, POOLED, scale, 2) for each, scale in zip(maps, scales, strict=True)
        ]
        if len(pooled) == 1:
            return pooled[0]
        sides = (regions[:, 3:] - regions[:, 1:3]).prod(1).sqrt()
        finest, coarsest = -math.log2(scales[0]), -math.log2(scales[-1])
        level = (4 + torch.log2(sides / self.canonical) + 1e-6).floor().clamp(finest, coarsest) - finest
        fitting = [(level == place).view(-1, 1, 1, 1) * each for place, each in enumerate(pooled)]
        return torch.stack(fitting).sum(0)
