"""Mean average precisions held against COCO's evaluation, in torchmetrics, which knows nothing of this project.

COCO takes the mean precision over other recalls, and a detection whose object is found already may find another that
it overlaps enough. Where none overlaps two objects of its class, and over the same recalls, both are one number. COCO
ignores crowds, which any number of detections may lie in: the share of the detection counts that they hold, the
overlap where a detection contains the crowd. So difficult objects that detections contain are crowds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision

from pruneexp.schema import Score
from pruneexp.tasks.detection import DetectionMeter
from tests.contracts.boxes import KINDS, scene

SCENES = range(20)
ELEVEN = [level / 10 for level in range(11)]


def ours(detections: Tensor, targets: Tensor) -> Score:
    meter = DetectionMeter()
    meter.update(detections, targets)
    return meter.compute()


def of_coco(detections: Tensor, targets: Tensor, recalls: Sequence[float] | None = None) -> float:
    """The mean precision at these recalls, or at the 101 of COCO, in percent."""
    metric = MeanAveragePrecision(iou_thresholds=[0.5], rec_thresholds=None if recalls is None else list(recalls))
    found = [rows[rows[:, 5] >= 0] for rows in detections]
    real = [rows[rows[:, 4] >= 0] for rows in targets]
    metric.update(
        [{"boxes": rows[:, :4], "scores": rows[:, 4], "labels": rows[:, 5].long()} for rows in found],
        [{"boxes": rows[:, :4], "labels": rows[:, 4].long(), "iscrowd": rows[:, 5].long()} for rows in real],
    )
    return 100 * float(metric.compute()["map"])


def all_steps(targets: Tensor) -> list[float]:
    """Recalls in the middle of equal steps, of which each object's share of the recall has a whole number.

    The precision changes between steps alone, so its mean over them is the area under it.
    """
    easy = targets[..., 4][targets[..., 5] == 0]
    steps = math.lcm(*(max(1, int((easy == kind).sum())) for kind in range(KINDS)))
    return [(step + 0.5) / steps for step in range(steps)]


@pytest.mark.parametrize("difficult", [0.0, 0.3])
def test_objects_that_lie_apart_have_the_precision_of_coco(difficult: float) -> None:
    for seed in SCENES:
        detections, targets = scene(seed, difficult=difficult)
        score = ours(detections, targets)
        assert score["mAP"] == pytest.approx(of_coco(detections, targets, ELEVEN), abs=1e-4)
        assert score["mAP_area"] == pytest.approx(of_coco(detections, targets, all_steps(targets)), abs=1e-4)


def test_over_its_own_recalls_coco_is_a_point_off_the_area_at_most() -> None:
    """Between two of 101 recalls, the first of them 0, a precision that falls is off its mean by 1/101 at most."""
    off = [ours(*each)["mAP_area"] - of_coco(*each) for each in map(scene, SCENES)]
    assert 0.01 < max(map(abs, off)) < 100 / 101


def test_where_objects_lie_on_each_other_coco_finds_more() -> None:
    """What VOC counts as found, by any score, COCO does too: each object's best detection takes it if nothing has."""
    more = [of_coco(*each, ELEVEN) - ours(*each)["mAP"] for each in (scene(seed, apart=4) for seed in SCENES)]
    assert min(more) > -1e-4
    assert max(more) > 1
