"""Detection keeps the promises of a task; average precisions by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Dataset
from pruneexp.data.synthetic import synthetic
from pruneexp.errors import UserError
from pruneexp.schema import Score
from pruneexp.tasks.detection import Detection, average_precisions
from pruneexp.tasks.task import Task
from tests.contracts.tasks import TaskContract, dataset

TASK = Detection(2)
NO_ROW = (-1.0,) * 6


class TwoBoxes(nn.Module):
    """Finds the left and the right half of each image, with scores that depend on its pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor, targets: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        scores = (self.weight * images.mean((1, 2, 3))).sigmoid()
        if targets is not None:
            return {"one": scores.mean(), "other": 2 * scores.sum()}
        left = torch.tensor([[0.0, 0, 4, 8, 0, 0], [4, 0, 8, 8, 0, 1]]).repeat(len(images), 1, 1)
        return torch.cat([left[..., :4], torch.stack([scores, scores / 2], 1)[..., None], left[..., 5:]], -1)


def objects(*images: Sequence[Sequence[float]]) -> Tensor:
    most = max(map(len, images))
    return torch.tensor([[*rows, *[NO_ROW] * (most - len(rows))] for rows in images], dtype=torch.float32)


class TestDetection(TaskContract):
    @pytest.fixture
    def task(self) -> Task:
        return TASK

    @pytest.fixture
    def data(self) -> Dataset:
        images = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        left, right, small = (0, 0, 4, 8, 0, 0), (4, 0, 8, 8, 1, 0), (0, 0, 2, 2, 1, 0)
        return dataset(images, objects([left], [left, right], [], [small], [right], [left, small], [left]), 2)

    @pytest.fixture
    def network(self) -> nn.Module:
        return TwoBoxes()

    def test_the_loss_runs_the_network_and_can_be_differentiated(
        self, task: Task, network: nn.Module, batch: tuple[Tensor, Tensor]
    ) -> None:
        """It is the sum of what the network gives; where it learns, there are no detections."""
        loss, outputs = task.loss(network, *batch)
        loss.backward()
        assert float(loss.detach()) == pytest.approx(sum(float(each.detach()) for each in network(*batch).values()))
        assert torch.equal(outputs, torch.full((7, 2, 6), -1.0))
        assert all(parameter.grad is not None for parameter in network.parameters())

    def test_a_score_has_the_loss_of_training(
        self, task: Task, network: nn.Module, data: Dataset, batch: tuple[Tensor, Tensor]
    ) -> None:
        """That of a detector needs targets, so a score has what its precision lacks."""
        score = self._score(task, network, data, 7)
        assert 0 < score["mAP"] < 100
        assert score.loss == pytest.approx(1 - score["mAP"] / 100)


def scored(outputs: Tensor, targets: Tensor) -> Score:
    meter = TASK.meter()
    meter.update(outputs, targets)
    return meter.compute()


def found(*images: Sequence[Sequence[float]]) -> Tensor:
    """Detections as x1, y1, x2, y2, score, class."""
    return objects(*images)


def test_average_precisions_of_a_curve_by_hand() -> None:
    """Right, wrong, right of four objects: precision 1 up to a recall of 1/4, then 2/3 up to 1/2."""
    of_2007, area = average_precisions(torch.tensor([True, False, True]), 4)
    assert of_2007 == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)  # at 0, 0.1, 0.2, and at 0.3, 0.4, 0.5
    assert area == pytest.approx(1 / 4 + 2 / 3 / 4)


@pytest.mark.parametrize(
    ("right", "expected"), [([], 0.0), ([False], 0.0), ([True, True], 1.0), ([True, True, False], 1.0)]
)
def test_average_precisions_of_nothing_and_of_everything(right: list[bool], expected: float) -> None:
    assert average_precisions(torch.tensor(right, dtype=torch.bool), 2) == pytest.approx((expected, expected))


def test_a_recall_that_is_a_level_counts_at_this_level() -> None:
    """Three of ten found: levels 0 to 0.3, though 0.1 x 3 is more than 0.3 in floating point."""
    assert average_precisions(torch.ones(3, dtype=torch.bool), 10)[0] == pytest.approx(4 / 11)


BOX = (0.0, 0.0, 10.0, 10.0)


def test_an_overlap_of_half_is_enough_and_less_is_not() -> None:
    targets = objects([(*BOX, 0, 0)])
    assert scored(found([(0, 0, 10, 5, 0.9, 0)]), targets)["mAP"] == pytest.approx(100)
    assert scored(found([(0, 0, 10, 4.9, 0.9, 0)]), targets)["mAP"] == 0


def test_the_second_detection_of_an_object_is_wrong() -> None:
    """Two objects, found at scores 0.9 and 0.7; at 0.8 the first again: precisions 1 and 2/3."""
    targets = objects([(*BOX, 0, 0), (20, 0, 30, 10, 0, 0)])
    score = scored(found([(*BOX, 0.9, 0), (*BOX, 0.8, 0), (20, 0, 30, 10, 0.7, 0)]), targets)
    assert score["mAP"] == pytest.approx(100 * (6 * 1 + 5 * 2 / 3) / 11)
    assert score["mAP_area"] == pytest.approx(100 * (1 / 2 + 1 / 3))


def test_difficult_objects_are_neither_missed_nor_found() -> None:
    easy, difficult = (*BOX, 0, 0), (20, 0, 30, 10, 0, 1)
    for seen in ([(*BOX, 0.5, 0)], [(20, 0, 30, 10, 0.9, 0), (*BOX, 0.5, 0)]):
        assert scored(found(seen), objects([easy, difficult]))["mAP"] == pytest.approx(100)


def test_the_mean_is_over_classes_that_have_an_object() -> None:
    """One class found, one missed, one of a difficult object alone; a detection of another class counts nowhere."""
    targets = objects([(*BOX, 0, 0), (20, 0, 30, 10, 1, 0), (40, 0, 50, 10, 2, 1)])
    assert scored(found([(*BOX, 0.9, 0), (20, 0, 30, 10, 0.8, 3)]), targets)["mAP"] == pytest.approx(50)


def test_the_right_class_in_another_image_is_wrong() -> None:
    targets = objects([(*BOX, 0, 0)], [(*BOX, 1, 0)])
    assert scored(found([(*BOX, 0.9, 1)], [(*BOX, 0.9, 0)]), targets)["mAP"] == 0


def test_detections_that_are_not_numbers_are_no_answer() -> None:
    targets = objects([(*BOX, 0, 0)], [(*BOX, 0, 0)])
    score = scored(found([(*BOX, 0.9, 0)], [(*BOX, math.nan, 0)]), targets)
    assert (score["mAP"], score["mAP_area"], score.undefined, score.images) == (0, 0, 1, 2)
    assert math.isnan(score.loss)


def test_images_with_classes_alone_are_refused() -> None:
    with pytest.raises(UserError, match="train split of data set 'synthetic' has no objects, which a detector needs"):
        TASK.check(synthetic())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([NO_ROW], "has no object that is not difficult"),
        ([(*BOX, 0, 1)], "has no object that is not difficult"),
        ([(*BOX, 2, 0)], "has objects of class 2; 2 classes allow 0 to 1"),
        ([(5, 5, 5, 9, 0, 0)], "has a box without a width or a height"),
    ],
)
def test_objects_that_cannot_be_are_refused(rows: list[tuple[float, ...]], said: str) -> None:
    with pytest.raises(UserError, match=f"the train split of data set 'some' {said}"):
        TASK.check(dataset(torch.zeros(1, 3, 16, 16), objects(rows), 2))


def test_no_detection_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="detections is 0"):
        Detection(0)
