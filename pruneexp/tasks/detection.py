"""Object detection: a box and a class for each object of an image; average precision as PASCAL VOC counts it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from pruneexp.errors import UserError
from pruneexp.schema import Metric, Score
from pruneexp.tasks.task import Data, Forward, OutputForm, Split

#: Mean over classes, at an overlap of 0.5: of VOC 2007, over 11 levels of recall, and of VOC 2010, over all.
MAP, MAP_AREA = Metric("mAP", "%"), Metric("mAP_area", "%")
OVERLAP = 0.5
#: Numbers of a target, and of a detection: four of its box, then class and whether it is difficult; score and class.
COLUMNS = 6
NONE = -1.0


@dataclass(frozen=True)
class Detection:
    """Inputs are images (B, C, H, W); targets are the objects of each, float32 (B, N, 6).

    A row is x1, y1, x2, y2 in px, the class from 0 on, and 1 for an object that is difficult, which is neither learned
    nor counted; rows after the last object hold -1. Networks give as many rows of detections, (B, detections, 6): x1,
    y1, x2, y2, score, class, and -1 after the last. In training they take the targets too, and give losses by name,
    which are summed.

    Raises:
        ValueError: ``detections`` is below 1.
    """

    detections: int = 100

    name: ClassVar[str] = "detection"
    metrics: ClassVar[tuple[Metric, ...]] = (MAP, MAP_AREA)
    examples: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        if self.detections < 1:
            raise ValueError(f"detections is {self.detections}; 1 or more is allowed")

    def check(self, data: Data) -> None:
        """Each split has objects of known classes, inside of its images; single images may have none.

        Raises:
            UserError: says what the data set has in place of that.
        """
        if not data.classes:
            raise UserError(f"data set '{data.name}' has no classes; a detector needs 1 or more")
        for split, source in (("train", data.train), ("val", data.val), ("test", data.test)):
            _check_objects(source, data.classes, f"the {split} split of data set '{data.name}'")

    def example(
        self, data: Data, shape: tuple[int, ...], count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Noise, with one object of the first class in the middle half."""
        targets = torch.full((count, *getattr(_objects(data.train), "shape", (0, 1))[1:2], COLUMNS), NONE)
        width, height = shape[-1], shape[-2:][0]
        targets[:, 0] = torch.tensor([width / 4, height / 4, width * 3 / 4, height * 3 / 4, 0, 0])
        return torch.randn(count, *shape, generator=generator), targets

    def output(self, data: Data, shape: tuple[int, ...]) -> OutputForm:
        return OutputForm((self.detections, COLUMNS), "for each detection a box, a score and a class")

    def loss(
        self, network: Forward, inputs: Tensor, targets: Tensor, *, smoothing: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """The sum of the losses of the network, and no detections: it makes none where it learns."""
        losses = network(inputs, targets)
        return torch.stack(list(losses.values())).sum(), inputs.new_full((len(inputs), self.detections, COLUMNS), NONE)

    def meter(self) -> DetectionMeter:
        return DetectionMeter()


class Matched(NamedTuple):
    """Detections (N,), each with the object of its class and image that it overlaps most.

    ``objects`` are numbers that no other object has; ``hit`` says that the overlap is enough, ``difficult`` that this
    object is.
    """

    scores: Tensor
    classes: Tensor
    objects: Tensor
    hit: Tensor
    difficult: Tensor


class DetectionMeter:
    """Mean average precisions in percent, over the classes that have an object.

    An image with a detection that is not a number has no answer; the score counts such images, and its precisions are
    0. The loss of a score is the share that the mean average precision lacks: a loss as in training would need the
    targets inside of the network.
    """

    def __init__(self) -> None:
        self._found: list[Matched] = []
        self._targets: list[Tensor] = []
        self._undefined: list[Tensor] = []
        self._images = 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        detections = outputs.detach().reshape(len(targets), -1, COLUMNS).float()
        self._undefined.append(detections.isnan().flatten(1).any(1).sum())
        self._found.append(matched(detections, targets, self._images))
        self._targets.append(targets[..., 4:].flatten(0, 1))
        self._images += len(targets)

    def compute(self) -> Score:
        found = Matched(*(torch.cat(parts).cpu() for parts in zip(*self._found, strict=True)))
        kinds, difficult = torch.cat(self._targets).cpu().unbind(1)
        undefined = int(torch.stack(self._undefined).sum())
        precisions = []
        for kind in kinds[(kinds >= 0) & (difficult == 0)].unique().tolist():
            right = ranked(Matched(*(each[found.classes == kind] for each in found)))
            precisions.append(average_precisions(right, int(((kinds == kind) & (difficult == 0)).sum())))
        of_2007, area = (100 * sum(each) / len(precisions) for each in zip(*precisions, strict=True))
        return Score(
            loss=math.nan if undefined else 1 - of_2007 / 100,
            metrics={MAP.name: 0.0 if undefined else of_2007, MAP_AREA.name: 0.0 if undefined else area},
            undefined=undefined or None,
            images=self._images if undefined else None,
        )


def matched(detections: Tensor, targets: Tensor, before: int = 0) -> Matched:
    """Match detections (B, D, 6) with targets (B, N, 6), where ``before`` images came before; does not wait.

    Rows without a detection have the class -1.
    """
    boxes = zip(detections[..., :4], targets[..., :4], strict=True)
    overlaps = torch.stack([box_iou(ours, theirs) for ours, theirs in boxes])
    classes = detections[..., 5]
    fits = (classes[..., None] == targets[:, None, :, 4]) & (targets[:, None, :, 4] >= 0)
    best, places = overlaps.masked_fill(~fits, NONE).max(-1)
    images = torch.arange(before, before + len(targets), device=targets.device)[:, None]
    return Matched(
        detections[..., 4].flatten(),
        classes.flatten(),
        (images * targets.shape[1] + places).flatten(),
        (best >= OVERLAP).flatten(),
        (targets[..., 5].gather(1, places) > 0).flatten(),
    )


def ranked(found: Matched) -> Tensor:
    """Which detections of one class are right, boolean (n,), from the highest score to the lowest.

    Of several that hit an object, the one with the highest score is right, and the others are wrong. Those that hit
    a difficult object are left out.
    """
    order = found.scores.argsort(descending=True, stable=True)
    objects, hit, difficult = found.objects[order], found.hit[order], found.difficult[order]
    seen, right = set[int](), torch.zeros_like(hit)
    for place in hit.nonzero().flatten().tolist():
        right[place] = int(objects[place]) not in seen
        seen.add(int(objects[place]))
    return right[~(hit & difficult)]


def average_precisions(right: Tensor, objects: int) -> tuple[float, float]:
    """The average precision of a class as VOC 2007 computes it, and as VOC 2010 does (Everingham et al. 2010, 4.2).

    The first is the mean, over recalls of 0, 0.1, ..., 1, of the highest precision at this recall or more; the second
    the area under that precision. ``right`` is as ``ranked`` gives it, ``objects`` how many there are.
    """
    hits = right.double().cumsum(0)
    recall, precision = hits / objects, hits / torch.arange(1, len(right) + 1)
    highest = precision.flip(0).cummax(0).values.flip(0) if len(right) else precision
    levels = [highest[recall >= level / 10 - 1e-12][:1] for level in range(11)]
    steps = torch.diff(recall, prepend=torch.zeros(1, dtype=recall.dtype))
    return float(torch.cat(levels).sum()) / 11, float((steps * highest).sum())


def _objects(source: Split) -> Tensor | None:
    targets = getattr(source, "targets", None)
    return targets if isinstance(targets, Tensor) and targets.ndim == 3 and targets.shape[-1] == COLUMNS else None


def _check_objects(source: Split, classes: int, where: str) -> None:
    targets = _objects(source)
    if targets is None or targets.dtype != torch.float32 or len(targets) != len(source):
        raise UserError(
            f"{where} has no objects, which a detector needs: targets of float32 ({len(source)}, objects, {COLUMNS}) "
            "that hold x1, y1, x2, y2, class, difficult"
        )
    objects = targets[targets[..., 4] >= 0]
    if not (objects[:, 5] == 0).any():
        raise UserError(f"{where} has no object that is not difficult; it needs at least one")
    if float(highest := objects[:, 4].max()) >= classes:
        raise UserError(f"{where} has objects of class {int(highest)}; {classes} classes allow 0 to {classes - 1}")
    if not ((objects[:, 2:4] > objects[:, :2]).all() and (objects[:, :2] >= 0).all()):
        raise UserError(f"{where} has a box without a width or a height, or left of its image")
