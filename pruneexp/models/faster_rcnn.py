"""Faster R-CNN (Ren et al. 2015) on a ResNet, made of torchvision's parts; knows nothing of pruning.

The parts and their losses are torchvision's. Evaluation is written anew with tensors of fixed sizes: the same boxes,
from a pass that can be recorded as a graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision import models
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead, concat_box_prediction_layers
from torchvision.ops import clip_boxes_to_image

from pruneexp.errors import UserError
from pruneexp.models.ranges import at_least
from pruneexp.models.regions import NONE, POOLED, RATIOS, Anchors, LevelPool, large, strongest

BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
STAGES = 4
LEVELS = STAGES + 1  # of a feature pyramid, the last of which pools the one before

_CANDIDATES = {"training": 2000, "testing": 1000}  # of each level, before non-maximum suppression
_AT_ONCE = 16  # images of a pass in evaluation, whose maps are large


class FasterRcnn(nn.Module):
    """Two stages: boxes that may hold an object, then what each holds, and where exactly.

    ``backbone`` is a ResNet of torchvision without its classifier (``backbone.body``, under torchvision's names), with
    batch normalisation that learns. Its four stages feed a feature pyramid (``fpn``, Lin et al. 2017) with as many
    ``channels``; without one the last stage is looked at alone. ``anchors`` are five sides in px: one for each level of
    the pyramid, or all on one map. The second stage has two layers of ``hidden`` units, learns from ``samples`` boxes
    of an image, and in evaluation sees ``proposals`` boxes, which it makes ``detections`` of.

    Takes images (B, 3, H, W), gives detections (B, detections, 6): x1, y1, x2, y2 in px, score, class from 0 on; rows
    after the last detection hold -1. With ``targets`` as well (``tasks.detection``), which training needs, it gives the
    four losses by name.

    Raises:
        UserError: there is no such backbone.
        ValueError: another argument is out of its range.
    """

    def __init__(
        self,
        num_classes: int = 20,
        backbone: str = "resnet34",
        fpn: bool = True,
        channels: int = 256,
        hidden: int = 1024,
        anchors: Sequence[int] = (32, 64, 128, 256, 512),
        samples: int = 512,
        proposals: int = 300,
        detections: int = 100,
    ) -> None:
        super().__init__()
        numbers = {"channels": channels, "hidden": hidden, "samples": samples, "proposals": proposals}
        for name, value in {"num_classes": num_classes, **numbers, "detections": detections}.items():
            at_least(name, value, 1)
        if len(anchors) != LEVELS or list(anchors) != sorted(anchors) or min(anchors) < 1:
            raise ValueError(f"anchors is {list(anchors)}, must be {LEVELS} sides in px, the smallest first")
        if backbone not in BACKBONES:
            raise UserError(
                f"model.backbone={backbone} is no backbone of a detector: allowed are {', '.join(BACKBONES)}"
            )
        self.proposals = proposals
        self.backbone, wide = _backbone(backbone, channels if fpn else None)
        sides = [[each] for each in anchors] if fpn else [list(anchors)]
        self.rpn = RegionProposalNetwork(
            Anchors(sides),
            RPNHead(wide, len(RATIOS) * len(sides[0])),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n=_CANDIDATES,
            post_nms_top_n={"training": 2000, "testing": proposals},
            nms_thresh=0.7,
        )
        self.roi_heads = RoIHeads(
            LevelPool(anchors[0]),
            TwoMLPHead(wide * POOLED**2, hidden),
            FastRCNNPredictor(hidden, num_classes + 1),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=samples,
            positive_fraction=0.25,
            bbox_reg_weights=None,
            score_thresh=0.05,
            nms_thresh=0.5,
            detections_per_img=detections,
        )

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        if targets is None:
            return torch.cat([self._detections(part) for part in images.split(_AT_ONCE)])
        features = self.backbone(images)
        listed, objects = _listed(images), [_objects(each) for each in targets]
        self.rpn.training = self.roi_heads.training = True  # torchvision's word for: with targets
        boxes, losses = self.rpn(listed, features, objects)
        _, more = self.roi_heads(features, boxes, listed.image_sizes, objects)
        return {**losses, **more}

    def _detections(self, images: Tensor) -> Tensor:
        """As torchvision's ``RoIHeads`` makes them in evaluation: (B, detections, 6)."""
        features, heads, listed = self.backbone(images), self.roi_heads, _listed(images)
        proposals, real = self._proposals(features, listed)
        many, among = proposals.shape[:2]
        of_image = list(proposals.unbind())
        seen = heads.box_head(heads.box_roi_pool(features, of_image, listed.image_sizes))
        logits, deltas = heads.box_predictor(seen)
        boxes = clip_boxes_to_image(heads.box_coder.decode(deltas, of_image), listed.image_sizes[0])
        boxes = boxes[:, 1:].reshape(many, -1, 4)  # the first class is the background
        scores = logits.softmax(-1)[:, 1:]
        classes = torch.arange(scores.shape[1], device=images.device).repeat(many, among)
        scores = scores.reshape(many, -1)
        allowed = real.repeat_interleave(classes.shape[1] // among, 1)
        allowed = allowed & (scores > heads.score_thresh) & large(boxes, 1e-2)
        count = heads.detections_per_img
        best, places = strongest(boxes, scores, classes, allowed, heads.nms_thresh, count)
        rows = torch.cat([boxes, scores[..., None], classes[..., None].to(boxes)], -1)
        found = rows.gather(1, places[..., None].expand(-1, -1, rows.shape[-1]))
        found = found.masked_fill((best == NONE)[..., None], NONE)
        return pad(found, (0, 0, 0, count - found.shape[1]), value=NONE)

    def _proposals(self, features: Mapping[str, Tensor], images: ImageList) -> tuple[Tensor, Tensor]:
        """Boxes of the first stage as torchvision's makes them in evaluation, (B, P, 4), and which are real."""
        rpn, maps = self.rpn, list(features.values())
        objectness, deltas = rpn.head(maps)
        sizes = [each[0].numel() for each in objectness]
        anchors = rpn.anchor_generator(images, maps)
        flat, deltas = concat_box_prediction_layers(objectness, deltas)
        boxes = rpn.box_coder.decode(deltas, anchors).view(len(anchors), -1, 4)
        scores = flat.view(len(anchors), -1)
        parts = list(zip(scores.split(sizes, 1), boxes.split(sizes, 1), strict=True))
        chosen = [_top(*part, _CANDIDATES["testing"]) for part in parts]
        levels = [torch.full_like(each, level, dtype=torch.int64) for level, (each, _) in enumerate(chosen)]
        scores = torch.cat([each for each, _ in chosen], 1).sigmoid()
        boxes = clip_boxes_to_image(torch.cat([each for _, each in chosen], 1), images.image_sizes[0])
        allowed = large(boxes, rpn.min_size)
        best, places = strongest(boxes, scores, torch.cat(levels, 1), allowed, rpn.nms_thresh, self.proposals)
        return boxes.gather(1, places[..., None].expand(-1, -1, 4)), best != NONE


class _LastStage(nn.Module):
    """The last stage of a ResNet as the only map."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = IntermediateLayerGetter(body, {f"layer{STAGES}": "0"})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self.body(images)
        return found


def _backbone(name: str, channels: int | None) -> tuple[nn.Module, int]:
    """What gives the maps, with a feature pyramid where it has ``channels``, and the channels of each map."""
    body = models.get_model(name, weights=None)
    last = body.fc.in_features
    if channels is None:
        return _LastStage(body), last
    stages = {f"layer{stage + 1}": str(stage) for stage in range(STAGES)}
    return BackboneWithFPN(body, stages, [last >> (STAGES - 1 - stage) for stage in range(STAGES)], channels), channels


def _listed(images: Tensor) -> ImageList:
    height, width = images.shape[-2:]
    return ImageList(images, [(height, width)] * len(images))


def _objects(target: Tensor) -> dict[str, Tensor]:
    """What torchvision learns from: of the rows (N, 6) of an image the objects, without those that are difficult."""
    objects = target[(target[:, 4] >= 0) & (target[:, 5] == 0)]
    return {"boxes": objects[:, :4].float(), "labels": objects[:, 4].long() + 1}


def _top(scores: Tensor, boxes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The best of one level: scores (B, n) and boxes (B, n, 4)."""
    best, places = scores.topk(min(count, scores.shape[1]), dim=1)
    return best, boxes.gather(1, places[..., None].expand(-1, -1, 4))
