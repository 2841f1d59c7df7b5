"""Channels by reconstruction: against all choices, plain loops, scikit-learn and torch's least squares."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso as SklearnLasso
from torch import Tensor

from pruneexp.pruning.criteria.lasso import Lasso, lasso
from pruneexp.pruning.criteria.thinet import ThiNet
from pruneexp.pruning.reconstruction import (
    LayerSamples,
    Reconstruction,
    contributions_gram,
    contributions_to_outputs,
    least_squares,
)
from tests.contracts.criteria import CriterionContract

CHANNELS, KERNEL = 6, 4
ALL = torch.ones(CHANNELS, dtype=torch.bool)


def reading(seed: int = 0, samples: int = 200, outputs: int = 5) -> LayerSamples:
    """Correlated inputs of six channels of four columns each, and one column without a channel."""
    draws = torch.Generator().manual_seed(seed)
    columns = CHANNELS * KERNEL + 1
    mixed = torch.randn(columns, columns, generator=draws, dtype=torch.float64)
    inputs = torch.randn(samples, columns, generator=draws, dtype=torch.float64) @ mixed
    weight = torch.randn(outputs, columns, generator=draws, dtype=torch.float64)
    channels = torch.cat([torch.arange(CHANNELS).repeat_interleave(KERNEL), torch.tensor([-1])])
    return LayerSamples(inputs, weight, inputs @ weight.T, channels)


def removed_error(readings: list[LayerSamples], removed: list[int]) -> float:
    """The squares of what these channels add to the outputs."""
    error = 0.0
    for each in readings:
        columns = torch.isin(each.channels, torch.tensor(removed))
        error += float((each.inputs[:, columns] @ each.weight[:, columns].T).square().sum())
    return error


def error(of: LayerSamples, weight: Tensor) -> float:
    return float((of.inputs @ weight.T - of.outputs).square().sum())


def without(of: LayerSamples, kept: Tensor) -> Tensor:
    """The weight as it is, less the columns of channels that go."""
    return of.weight * ((of.channels < 0) | kept[of.channels])


def places(kept: Tensor) -> list[int]:
    return [int(each) for each in kept.nonzero()]


def test_products_are_those_of_what_channels_add() -> None:
    of = reading()
    added = [of.inputs[:, of.channels == c] @ of.weight[:, of.channels == c].T for c in range(CHANNELS)]
    wanted = of.outputs - of.inputs[:, -1:] @ of.weight[:, -1:].T
    gram = torch.tensor([[float((one * other).sum()) for other in added] for one in added], dtype=torch.float64)
    torch.testing.assert_close(contributions_gram(of, CHANNELS), gram)
    products = torch.tensor([float((one * wanted).sum()) for one in added], dtype=torch.float64)
    torch.testing.assert_close(contributions_to_outputs(of, CHANNELS), products)


class TestThiNet(CriterionContract):
    def criterion(self) -> ThiNet:
        return ThiNet()

    @pytest.mark.parametrize("seed", range(5))
    def test_of_one_channel_the_choice_is_the_best_of_all(self, seed: int) -> None:
        readings = [reading(seed), reading(seed + 100)]  # of two readers the errors are added
        best = min(range(CHANNELS), key=lambda c: removed_error(readings, [c]))
        kept = ThiNet().chosen(readings, ALL, CHANNELS - 1)
        assert places(~kept) == [best]

    @pytest.mark.parametrize("seed", range(5))
    def test_of_several_it_is_that_of_a_plain_greedy_loop(self, seed: int) -> None:
        of, removed = [reading(seed)], list[int]()
        for _ in range(4):
            left = [c for c in range(CHANNELS) if c not in removed]
            removed.append(min(left, key=lambda c: removed_error(of, [*removed, c])))
            kept = ThiNet().chosen(of, ALL, CHANNELS - len(removed))
            assert places(~kept) == sorted(removed)

    def test_channels_that_are_gone_are_no_candidates(self) -> None:
        alive = torch.tensor([True, False, True, True, False, True])
        kept = ThiNet().chosen([reading()], alive, 2)
        assert int(kept.sum()) == 2
        assert not bool((kept & ~alive).any())

    def test_factors_are_least_squares_of_what_channels_add(self) -> None:
        of, kept = reading(), torch.tensor([True, False, True, True, False, True])
        weight = ThiNet().refitted(of, kept)
        columns = [(of.channels == c) for c in places(kept)]
        stacked = torch.stack([(of.inputs[:, own] @ of.weight[:, own].T).flatten() for own in columns], 1)
        wanted = of.outputs - of.inputs[:, -1:] @ of.weight[:, -1:].T
        factors = torch.linalg.lstsq(stacked, wanted.flatten()[:, None]).solution.flatten()
        for factor, own in zip(factors, columns, strict=True):
            torch.testing.assert_close(weight[:, own], of.weight[:, own] * factor)
        assert torch.equal(weight[:, -1], of.weight[:, -1])
        assert not bool(weight[:, (of.channels == 1) | (of.channels == 4)].any())


class TestLasso(CriterionContract):
    def criterion(self) -> Lasso:
        return Lasso()

    @pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
    def test_coordinate_descent_is_that_of_scikit_learn(self, share: float) -> None:
        draws = np.random.default_rng(0)
        inputs = draws.normal(size=(300, 20)) @ draws.normal(size=(20, 20))
        outputs = inputs @ draws.normal(size=20) + draws.normal(size=300)
        penalty = share * float(np.abs(inputs.T @ outputs).max())
        wanted = SklearnLasso(alpha=penalty / 300, fit_intercept=False, tol=1e-12, max_iter=10**6).fit(inputs, outputs)
        found = lasso(inputs.T @ inputs, inputs.T @ outputs, penalty, np.zeros(20))
        np.testing.assert_allclose(found, wanted.coef_, atol=1e-5)
        np.testing.assert_array_equal(found != 0, wanted.coef_ != 0)

    @pytest.mark.parametrize("count", [1, 2, 4, 5])
    def test_channels_that_stay_are_those_of_the_path(self, count: int) -> None:
        of = reading(3)
        columns = [of.channels == c for c in range(CHANNELS)]
        norms = [float(of.weight[:, own].norm()) for own in columns]
        stacked = torch.stack(
            [(of.inputs[:, own] @ of.weight[:, own].T).flatten() / n for own, n in zip(columns, norms, strict=True)], 1
        ).numpy()
        wanted = (of.outputs - of.inputs[:, -1:] @ of.weight[:, -1:].T).flatten().numpy()
        highest = float(np.abs(stacked.T @ wanted).max()) / len(wanted)
        path = np.geomspace(highest, highest * 1e-6, 2000)
        models = (SklearnLasso(alpha=alpha, fit_intercept=False, max_iter=10**5, tol=1e-8) for alpha in path)
        factors = (model.fit(stacked, wanted).coef_ for model in models)
        left = next(each for each in factors if np.count_nonzero(each) == count)
        assert places(Lasso().chosen([of], ALL, count)) == np.flatnonzero(left).tolist()

    def test_it_chooses_better_than_the_mean_choice(self) -> None:
        of = [reading(seed) for seed in range(2)]
        errors = [removed_error(of, list(gone)) for gone in combinations(range(CHANNELS), 3)]
        chosen = removed_error(of, places(~Lasso().chosen(of, ALL, 3)))
        assert chosen < np.mean(errors)

    def test_as_many_stay_as_are_asked_for(self) -> None:
        alive = torch.tensor([True, True, True, True, False, True])
        for count in range(6):
            kept = Lasso().chosen([reading()], alive, count)
            assert int(kept.sum()) == count
            assert not bool((kept & ~alive).any())

    def test_weights_are_least_squares_of_the_inputs_that_are_left(self) -> None:
        of, kept = reading(), torch.tensor([True, False, True, True, False, True])
        columns = (of.channels < 0) | kept[of.channels]
        inputs, present = of.inputs[:, columns], of.weight[:, columns].T
        price = (0.01 * float(inputs.square().sum()) / len(inputs)) ** 0.5 * torch.eye(inputs.shape[1]).double()
        stacked, wanted = torch.cat([inputs, price]), torch.cat([of.outputs, price @ present])
        weight = Lasso().refitted(of, kept)
        torch.testing.assert_close(weight[:, columns].T, torch.linalg.lstsq(stacked, wanted).solution)
        assert not bool(weight[:, ~columns].any())


@pytest.mark.parametrize("kind", [ThiNet, Lasso])
@pytest.mark.parametrize("samples", [200, 10])
def test_the_error_is_smaller_with_the_new_weights(kind: type[ThiNet | Lasso], samples: int) -> None:
    of = reading(samples=samples)
    for count in (1, 3, 5):
        kept = kind().chosen([of], ALL, count)
        assert error(of, kind().refitted(of, kept)) <= error(of, without(of, kept)) * (1 + 1e-9)


@pytest.mark.parametrize("kind", [ThiNet, Lasso])
def test_channels_without_a_trace_keep_their_weights(kind: type[ThiNet | Lasso]) -> None:
    of = reading()
    silent = LayerSamples(of.inputs * (of.channels != 2), of.weight, of.outputs, of.channels)
    weight = kind().refitted(silent, ALL)
    torch.testing.assert_close(weight[:, of.channels == 2], of.weight[:, of.channels == 2])


def test_of_too_few_samples_the_smallest_change_is_taken() -> None:
    draws = torch.Generator().manual_seed(0)
    inputs = torch.randn(4, 9, generator=draws, dtype=torch.float64)
    outputs = torch.randn(4, 2, generator=draws, dtype=torch.float64)
    torch.testing.assert_close(least_squares(inputs, outputs, 0.0), torch.linalg.pinv(inputs) @ outputs)
    tall, one = inputs.T, outputs.new_ones(9, 1)
    torch.testing.assert_close(least_squares(tall, one, 0.0), torch.linalg.lstsq(tall, one).solution)


@pytest.mark.parametrize("kind", [ThiNet, Lasso])
def test_arguments_are_checked(kind: type[ThiNet | Lasso]) -> None:
    assert isinstance(kind(), Reconstruction)
    with pytest.raises(ValueError, match=r"batches is 0, must be a whole number"):
        kind(batches=0)
    with pytest.raises(ValueError, match=r"positions is 2.5, must be a whole number"):
        kind(positions=2.5)  # type: ignore[arg-type]
