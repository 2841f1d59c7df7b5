"""Pruned weights stay zero in training, with every optimizer and penalty, with clipping and old momentum."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pruneexp.pruning.masks import MaskSet
from pruneexp.training.fit import Diverged, fit
from pruneexp.training.recipe import OptimizerName, Recipe
from pruneexp.training.regularizers import L1, L2
from tests.contracts.training import CPU, SGD, digits, half, network, weight


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("penalty", [L1(0.01), L2(0.01)])
def test_pruned_weights_stay_zero(optimizer: OptimizerName, clip: float | None, penalty: L1 | L2) -> None:
    net = network(dropout=0.2)
    masks = half(net)
    fit(net, digits(), replace(SGD, optimizer=optimizer, clip=clip), seed=0, device=CPU, edit=masks, penalty=penalty)
    for name, mask in masks.items():
        assert bool((weight(net, name)[~mask] == 0).all())
        assert bool((weight(net, name)[mask] != 0).any())


def test_momentum_of_the_dense_past_never_revives_a_weight() -> None:
    net = network()
    fit(net, digits(), replace(SGD, momentum=0.99), seed=0, device=CPU)
    masks = half(net)
    fit(net, digits(), replace(SGD, momentum=0.99, nesterov=True), seed=0, device=CPU, edit=masks)
    assert all(bool((weight(net, name)[~mask] == 0).all()) for name, mask in masks.items())


def test_the_norm_that_is_clipped_leaves_pruned_weights_out() -> None:
    """One step from a gradient far beyond the bound moves the kept weights by exactly lr * clip."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, bias=False))
    masks = MaskSet({"1": torch.rand((3, 36), generator=torch.Generator().manual_seed(0)) < 0.3})
    masks.apply_(net)
    before = weight(net, "1").clone()
    recipe = Recipe(epochs=1, batch_size=44, optimizer="sgd", lr=0.5, momentum=0.0, clip=0.01)
    fit(net, digits(), recipe, seed=0, device=CPU, edit=masks)
    assert (weight(net, "1") - before).norm().item() == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_a_revived_weight_stops_the_training() -> None:
    net = network()
    masks = half(net)

    class Vandal:
        def add_gradient_(self, weights: list[Tensor], gradients: list[Tensor]) -> None:
            gradients[0].fill_(math.inf)  # inf times a mask's 0 is NaN, and NaN gets through any mask

    with pytest.raises((RuntimeError, Diverged)):
        fit(net, digits(), SGD, seed=0, device=CPU, edit=masks, penalty=Vandal())
