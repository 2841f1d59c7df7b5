"""Criteria: the contract, and what each promises beyond it."""

from __future__ import annotations

import pytest
import torch

from pruneexp.pruning.criteria.block_scale import BlockScale
from pruneexp.pruning.criteria.channel_scale import ChannelScale
from pruneexp.pruning.criteria.geometric_median import GeometricMedian
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.criteria.random import Random
from pruneexp.pruning.criteria.snip import Snip
from pruneexp.pruning.criteria.squared_magnitude import SquaredMagnitude
from pruneexp.pruning.criteria.stochastic_magnitude import StochasticMagnitude
from pruneexp.pruning.criteria.taylor import Taylor
from pruneexp.pruning.criteria.wanda import Wanda
from pruneexp.pruning.informed import Statistic
from pruneexp.pruning.ranking import best
from pruneexp.pruning.select import Criterion
from pruneexp.pruning.units.row import Row
from pruneexp.pruning.units.unit import Grouping
from tests.contracts.criteria import CriterionContract, some_weights


class TestMagnitude(CriterionContract):
    def criterion(self) -> Magnitude:
        return Magnitude()

    def test_is_the_absolute_value(self) -> None:
        scores = self.scores({"fc": torch.tensor([[-2.0, 1.0], [0.0, 0.5]])})
        assert scores["fc"].tolist() == [[2.0, 1.0], [0.0, 0.5]]


class TestRandom(CriterionContract):
    def criterion(self) -> Random:
        return Random()

    def test_ignores_the_weights(self) -> None:
        zeros, ones = self.scores({"fc": torch.zeros(3, 4)}), self.scores({"fc": torch.ones(3, 4)})
        assert torch.equal(zeros["fc"], ones["fc"])

    def test_other_seed_other_scores(self) -> None:
        weights = {"fc": torch.zeros(3, 4)}
        assert not torch.equal(self.scores(weights, 1)["fc"], self.scores(weights, 2)["fc"])


class TestStochasticMagnitude(CriterionContract):
    def criterion(self) -> StochasticMagnitude:
        return StochasticMagnitude()

    def test_single_draw_is_proportional_to_magnitude(self) -> None:
        weights = torch.tensor([1.0, -2.0, 5.0]).repeat(8000, 1)
        winners = self.scores({"fc": weights})["fc"].argmax(1).bincount(minlength=3) / 8000
        assert winners.tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.02)

    def test_low_temperature_is_magnitude(self) -> None:
        weight = torch.arange(-8.0, 9.0)
        score = StochasticMagnitude(temperature=1e-6)({"fc": weight}, torch.Generator().manual_seed(0))["fc"]
        everything = torch.ones_like(weight, dtype=torch.bool)
        assert torch.equal(best(score, everything, 4), weight.abs() >= 7)

    def test_zero_weights_go_first(self) -> None:
        weight = torch.tensor([0.0, 1e-6, 0.0, 3.0])
        score = self.scores({"fc": weight})["fc"]
        assert best(score, torch.ones(4, dtype=torch.bool), 2).tolist() == [False, True, False, True]

    @pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
    def test_refuses_temperature(self, temperature: float) -> None:
        with pytest.raises(ValueError, match=r"temperature is .*above 0"):
            StochasticMagnitude(temperature=temperature)


def of_rows(criterion: Magnitude | SquaredMagnitude | GeometricMedian, weight: torch.Tensor) -> torch.Tensor:
    """The score of each filter."""
    return Grouping(Row(), {"conv": weight}).means(criterion({"conv": weight}, torch.Generator()))["conv"]


class TestSquaredMagnitude(CriterionContract):
    def criterion(self) -> SquaredMagnitude:
        return SquaredMagnitude()

    def test_filters_are_ordered_by_their_norms(self) -> None:
        weight = torch.randn(9, 4, 3, 3, generator=torch.Generator().manual_seed(0))
        for criterion, order in ((Magnitude(), 1), (SquaredMagnitude(), 2)):
            norms = torch.linalg.vector_norm(weight.double(), order, dim=(1, 2, 3))
            torch.testing.assert_close(of_rows(criterion, weight), norms**order / 36)


@pytest.mark.parametrize(
    ("kind", "statistic"), [(Taylor, "squared_gradients"), (Snip, "gradients"), (Wanda, "input_norms")]
)
def test_informed_criteria_score_magnitude_where_all_statistics_are_one(
    kind: type[Taylor | Snip | Wanda], statistic: Statistic
) -> None:
    weights = some_weights()
    ones = {name: torch.ones(1, weight.shape[1], *[1] * (weight.ndim - 2)) for name, weight in weights.items()}
    found = kind().informed({statistic: ones})(weights, torch.Generator())
    for name, weight in weights.items():
        torch.testing.assert_close(found[name], weight.square() if kind is Taylor else weight.abs())
        assert found[name].data_ptr() != weight.data_ptr()
    assert kind().statistics == (statistic,)


class TestGeometricMedian(CriterionContract):
    def criterion(self) -> GeometricMedian:
        return GeometricMedian()

    def test_worked_by_hand(self) -> None:
        points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])  # distances 5, 4 and 3
        assert of_rows(GeometricMedian(), points).tolist() == pytest.approx([9, 8, 7])

    def test_the_filter_that_others_stand_for_goes_first(self) -> None:
        weight = torch.randn(1500, 2, 3, 3, generator=torch.Generator().manual_seed(0))
        rows = weight.double().flatten(1)
        expected = torch.stack([(rows - row).norm(dim=1).sum() for row in rows])
        torch.testing.assert_close(of_rows(GeometricMedian(), weight), expected, rtol=1e-6, atol=0)


class TestChannelScale(CriterionContract):
    def criterion(self) -> Criterion:
        scales = {"conv": torch.tensor([0.5, 0.0, 2.0, 1.0]).view(4, 1, 1, 1), "deep.linear": torch.zeros(1, 1)}
        return ChannelScale().informed({"channel_scales": scales})

    def test_is_the_scale_of_the_channel_that_a_weight_makes(self) -> None:
        assert self.scores(some_weights())["conv"].amax((1, 2, 3)).tolist() == [0.5, 0.0, 2.0, 1.0]


class TestBlockScale(CriterionContract):
    def criterion(self) -> Criterion:
        scales = {"conv": torch.tensor(0.5).view(1, 1, 1, 1), "deep.linear": torch.ones(1, 1)}
        return BlockScale().informed({"block_scales": scales})

    def test_is_the_scale_of_the_block_that_a_weight_lies_in(self) -> None:
        assert {name: score.unique().tolist() for name, score in self.scores(some_weights()).items()} == {
            "conv": [0.5],
            "deep.linear": [1.0],
        }
