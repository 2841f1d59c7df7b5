"""Figures of weights, as in Han et al. 2015, Figures 4 and 7, from hand-made points."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd
import pytest

from analysis.figures import input_pattern, weight_distributions
from analysis.records import frames, layer_frames
from pruneexp.errors import UserError
from pruneexp.schema import LayerWeights, read_weights, weights_text
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point


def seeds() -> list[LoggedPoint]:
    return logged(*(point(model="lenet_300_100", seed=seed) for seed in (0, 1)))


FC1 = [
    LayerWeights(layer="fc1", limit=3.0, dense=(1, 6, 1), cut=(1, 0, 1), after=(0, 1, 1), units=4, inputs=inputs)
    for inputs in ((0, 4, 1, 1), (2, 4, 1, 3))
]
FC2 = LayerWeights(layer="fc2", limit=1.0, dense=(2, 2, 0), cut=(1, 0, 0), after=(1, 0, 0), units=2)
FOUND = {one.run_id: (fc1, FC2) for one, fc1 in zip(seeds(), FC1, strict=True)}


def _frame() -> pd.DataFrame:
    return layer_frames.weights(frames.frame(seeds()), FOUND)


class TestWeightDistributions(FigureContract):
    name: ClassVar[str] = "weight_distributions"
    records = staticmethod(seeds)
    weights = FOUND


class TestInputPattern(FigureContract):
    name: ClassVar[str] = "input_pattern"
    records = staticmethod(seeds)
    weights = FOUND


def test_a_histogram_by_hand() -> None:
    made = weight_distributions.data(_frame(), layer="fc1")
    (fc1,) = made.layers
    assert [of for _, of in fc1.seeds] == FC1
    told = [
        (row["moment"], row["weight"], row["width"], row["weights"], row["of"])
        for row in weight_distributions.rows(made)
    ]
    assert told[:4] == [
        ("dense", -2.0, 2.0, 1, 8), ("dense", 0.0, 2.0, 6, 8), ("dense", 2.0, 2.0, 1, 8), ("cut", -2.0, 2.0, 1, 2)
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"^--layer conv1: no such layer; there are fc1, fc2\.$"):
        weight_distributions.data(_frame(), layer="conv1")


def test_the_inputs_by_hand() -> None:
    made = input_pattern.data(_frame())
    assert (made.layer, made.units, made.side) == ("fc1", 4, 2)
    assert [kept.mean for kept in made.kept] == [0.25, 1.0, 0.25, 0.5]
    assert [(row["row"], row["column"]) for row in input_pattern.rows(made)] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_first_layer_without_pixels_is_said() -> None:
    frame = layer_frames.weights(frames.frame(seeds()), dict.fromkeys(FOUND, (FC2,)))
    with pytest.raises(UserError, match=r"^the first layer of these networks does not read the pixels"):
        input_pattern.data(frame)


def test_a_file_is_read_as_it_was_written() -> None:
    assert read_weights(weights_text([FC1[0], FC2])) == (FC1[0], FC2)
    for broken in ('[{"layer": "fc1"}]', "[1]", "{"):
        with pytest.raises(ValueError, match=r"."):
            read_weights(broken)
