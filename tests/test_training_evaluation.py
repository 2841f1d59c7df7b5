"""Evaluation by hand, and batch normalisation re-estimated."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pruneexp.training.evaluation import evaluate, recalibrate_batchnorm
from tests.contracts.training import CPU, Tensors, digits, network, same, values


def identity(logits: Tensor, labels: list[int]) -> Tensors:
    """Images whose pixels are the logits that a flattening network gives for them."""
    return Tensors(logits.view(len(logits), 1, 1, -1), torch.tensor(labels))


def test_three_images_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3), 0.0], [0.0, 0.0, math.log(2)], [5.0, 0.0, 0.0]])
    score = evaluate(nn.Flatten(), identity(logits, [1, 0, 0]), device=CPU, batch_size=2)
    third = math.log(math.exp(5) + 2) - 5
    assert score.loss == pytest.approx((math.log(5 / 3) + math.log(4) + third) / 3, rel=1e-6)
    assert score.top1 == pytest.approx(200 / 3)
    assert score.top5 is None


def test_top5_by_hand() -> None:
    logits = torch.tensor([[6.0, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1]])
    score = evaluate(nn.Flatten(), identity(logits, [0, 4, 5, 1]), device=CPU)
    assert (score.top1, score.top5) == (25.0, 75.0)


def test_five_classes_have_no_top5() -> None:
    assert evaluate(nn.Flatten(), identity(torch.eye(5), [0, 1, 2, 3, 4]), device=CPU).top5 is None


def test_batch_size_does_not_matter_and_the_network_is_as_before() -> None:
    net = network(dropout=0.5)
    before = values(net)
    scores = [evaluate(net, digits(), device=CPU, batch_size=size) for size in (1, 7, 100)]
    assert len({score.top1 for score in scores}) == 1
    assert scores[0].loss == pytest.approx(scores[2].loss, rel=1e-5)
    assert same(before, values(net))
    assert all(module.training for module in net.modules())


def test_no_images() -> None:
    with pytest.raises(ValueError, match="number of images is 0"):
        evaluate(nn.Flatten(), Tensors(torch.zeros(0, 1, 1, 3), torch.zeros(0, dtype=torch.int64)), device=CPU)


def test_recalibration_finds_the_statistics_of_the_data() -> None:
    layer = nn.BatchNorm2d(1)
    net = nn.Sequential(layer, nn.Dropout(0.9))
    nn.init.constant_(net.get_buffer("0.running_mean"), 77.0)
    data = Tensors(3 + 2 * digits(64).images, digits(64).labels)
    recalibrate_batchnorm(net, data, seed=0, device=CPU, batch_size=16)
    assert net.get_buffer("0.running_mean").item() == pytest.approx(data.images.mean().item(), rel=1e-5)
    assert net.get_buffer("0.running_var").item() == pytest.approx(data.images.var().item(), rel=0.02)
    assert layer.momentum == 0.1
    assert layer.training


def test_recalibration_moves_statistics_only() -> None:
    net = network(dropout=0.5).eval()
    before, state = values(net), torch.get_rng_state()
    recalibrate_batchnorm(net, digits(), seed=0, device=CPU, batch_size=43)
    moved = {name for name, value in values(net).items() if not torch.equal(value, before[name])}
    assert moved == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in net.modules())


def test_recalibration_without_batch_normalisation_is_nothing() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    before = values(net)
    recalibrate_batchnorm(net, digits(), seed=0, device=CPU)
    assert all(torch.equal(value, before[name]) for name, value in values(net).items())


def test_recalibration_needs_a_variance() -> None:
    with pytest.raises(ValueError, match="allowed is 2 or more of each"):
        recalibrate_batchnorm(network(), digits(), seed=0, device=CPU, images=1)
