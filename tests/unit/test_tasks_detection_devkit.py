"""Mean average precisions are those of VOC's development kit, here step by step as its VOCevaldet.m and VOCap.m go."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import fmean
from typing import NamedTuple

import pytest
from torch import Tensor

from pruneexp.tasks.detection import DetectionMeter
from tests.contracts.boxes import KINDS, scene


class Real(NamedTuple):
    box: list[int]
    difficult: bool


def overlap(one: list[int], other: list[int]) -> Fraction:
    """The intersection over the union, exactly."""
    width, height = (min(one[side + 2], other[side + 2]) - max(one[side], other[side]) for side in (0, 1))
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return Fraction(shared, sum(areas) - shared)


def curve(detections: Tensor, targets: Tensor, kind: int) -> tuple[list[Fraction], list[Fraction]]:
    """Recalls and precisions of one class, from the highest score on; nothing, where a class has no object to find."""
    real = [[Real([int(edge) for edge in row[:4]], row[5] > 0) for row in image if row[4] == kind]
            for image in targets.tolist()]  # fmt: skip
    found = [(row[4], image, [int(edge) for edge in row[:4]])
             for image, rows in enumerate(detections.tolist()) for row in rows if row[5] == kind]  # fmt: skip
    taken, right, wrong = set[tuple[int, int]](), 0, 0
    count = sum(not each.difficult for image in real for each in image)
    recalls, precisions = list[Fraction](), list[Fraction]()
    for _, image, box in sorted(found, key=lambda each: -each[0]):
        best, place = max(((overlap(box, each.box), -place) for place, each in enumerate(real[image])), default=(0, 0))
        if best >= Fraction(1, 2) and real[image][-place].difficult:
            continue
        first = best >= Fraction(1, 2) and (image, place) not in taken
        taken |= {(image, place)} if first else set()
        right, wrong = right + first, wrong + (not first)
        recalls.append(Fraction(right, max(count, 1)))
        precisions.append(Fraction(right, right + wrong))
    return (recalls, precisions) if count else ([Fraction(-1)], [])


def of_2007(recalls: list[Fraction], precisions: list[Fraction]) -> float:
    levels = [Fraction(level, 10) for level in range(11)]
    highest = [max((at for of, at in zip(recalls, precisions, strict=True) if of >= level), default=Fraction(0))
               for level in levels]  # fmt: skip
    return fmean(map(float, highest))


def area(recalls: list[Fraction], precisions: list[Fraction]) -> float:
    recalls, heights = [Fraction(0), *recalls, Fraction(1)], [Fraction(0), *precisions, Fraction(0)]
    for place in reversed(range(len(heights) - 1)):
        heights[place] = max(heights[place], heights[place + 1])
    return float(sum((recalls[at] - recalls[at - 1]) * heights[at] for at in range(1, len(recalls))))


@pytest.mark.parametrize("apart", [4, 40])
@pytest.mark.parametrize("difficult", [0.0, 0.3, 0.9])
def test_scores_are_those_of_the_development_kit(apart: int, difficult: float) -> None:
    """Objects that lie on each other and apart, found once, twice and not at all, with equal scores."""
    for seed in range(4):
        detections, targets = scene(seed, apart=apart, difficult=difficult)
        curves = [each for kind in range(KINDS) if (each := curve(detections, targets, kind))[0] != [-1]]
        meter = DetectionMeter()
        for part in (slice(0, 4), slice(4, None)):  # as batches come
            meter.update(detections[part], targets[part])
        score = meter.compute()
        assert score["mAP"] == pytest.approx(100 * fmean(of_2007(*each) for each in curves), abs=1e-9)
        assert score["mAP_area"] == pytest.approx(100 * fmean(area(*each) for each in curves), abs=1e-9)
        assert not math.isnan(score.loss)
