"""Evaluation by hand, and batch normalisation re-estimated."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from pruneexp.training.evaluation import disconnected, evaluate, recalibrate_batchnorm
from tests.contracts.training import CPU, Tensors, digits, network, same, values


def identity(logits: Tensor, labels: list[int]) -> Tensors:
    """Images whose pixels are the logits that a flattening network gives for them."""
    return Tensors(logits.view(len(logits), 1, 1, -1), torch.tensor(labels))


def test_three_images_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3), 0.0], [0.0, 0.0, math.log(2)], [5.0, 0.0, 0.0]])
    score = evaluate(nn.Flatten(), identity(logits, [1, 0, 0]), device=CPU, batch_size=2)
    third = math.log(math.exp(5) + 2) - 5
    assert score.loss == pytest.approx((math.log(5 / 3) + math.log(4) + third) / 3, rel=1e-6)
    assert score["top1"] == pytest.approx(200 / 3)
    assert "top5" not in score.metrics


def test_top5_by_hand() -> None:
    logits = torch.tensor([[6.0, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1]])
    score = evaluate(nn.Flatten(), identity(logits, [0, 4, 5, 1]), device=CPU)
    assert (score["top1"], score["top5"]) == (25.0, 75.0)


def test_five_classes_have_no_top5() -> None:
    assert evaluate(nn.Flatten(), identity(torch.eye(5), [0, 1, 2, 3, 4]), device=CPU).metrics.keys() == {"top1"}


def test_an_image_with_a_logit_that_is_no_number_is_wrong() -> None:
    logits = torch.tensor([[math.nan, 9.0, 0.0], [9.0, math.nan, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    score = evaluate(nn.Flatten(), identity(logits, [0, 0, 0, 1]), device=CPU, batch_size=3)
    assert (score["top1"], score.undefined, score.images) == (50.0, 2, 4)
    assert math.isnan(score.loss)
    wide = torch.tensor([[math.nan, 5.0, 4.0, 3.0, 2.0, 1.0], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]])
    score = evaluate(nn.Flatten(), identity(wide, [1, 1]), device=CPU)
    assert (score["top1"], score["top5"], score.undefined) == (0.0, 50.0, 1)


@pytest.mark.parametrize(
    ("row", "top1", "undefined"),
    [
        ([math.inf, 0.0, 0.0], 100.0, None),  # the largest, and the only one
        ([math.inf, math.inf, 0.0], 0.0, 1),
        ([0.0, -math.inf, -math.inf], 100.0, None),
        ([-math.inf, -math.inf, -math.inf], 0.0, 1),
    ],
)
def test_of_infinite_logits_the_only_largest_is_a_guess(row: list[float], top1: float, undefined: int | None) -> None:
    score = evaluate(nn.Flatten(), identity(torch.tensor([row]), [0]), device=CPU)
    assert (score["top1"], score.undefined) == (top1, undefined)


def test_a_network_with_an_empty_layer_is_disconnected() -> None:
    net = network()
    assert not disconnected(net, digits(), device=CPU)
    nn.init.zeros_(net.get_parameter("3.weight"))
    for count, size in ((44, 8), (44, 100), (2, 8)):  # many batches, or one
        assert disconnected(net, digits(count), device=CPU, batch_size=size)
    assert all(module.training for module in net.modules())


def test_a_network_that_squeezes_the_last_image_may_be_disconnected() -> None:
    class Squeezes(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(images), 3).squeeze()

    assert disconnected(Squeezes(), digits(9), device=CPU, batch_size=4)


def test_one_image_that_is_seen_connects() -> None:
    weight = torch.zeros(36)
    weight[7] = 1.0
    images = torch.zeros(20, 1, 6, 6)
    images[:, 0, 0, 0] = torch.arange(20)  # a pixel without a weight
    images[13, 0, 1, 1] = 1.0
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    with torch.no_grad():
        net.get_parameter("1.weight").copy_(weight.expand(3, 36))
    labels = torch.zeros(20, dtype=torch.int64)
    assert not disconnected(net, Tensors(images, labels), device=CPU, batch_size=5)
    assert disconnected(net, Tensors(images[:13], labels[:13]), device=CPU, batch_size=5)


def test_batches_that_differ_from_each_other_are_connected() -> None:
    images = torch.zeros(8, 1, 6, 6)
    images[:, 0, 0, 0] = torch.arange(8)
    images[4:, 0, 1, 1] = 1.0  # the same within a batch of four

    class Second(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images[:, 0, 1, 1:4]

    assert not disconnected(Second(), Tensors(images, torch.zeros(8)), device=CPU, batch_size=4)


def test_the_same_images_and_outputs_that_are_no_numbers_prove_nothing() -> None:
    labels = torch.zeros(6, dtype=torch.int64)
    assert not disconnected(network(), Tensors(torch.ones(6, 1, 6, 6), labels), device=CPU)
    assert not disconnected(network(), digits(1), device=CPU)
    broken = network()
    nn.init.constant_(broken.get_parameter("8.bias"), math.nan)
    assert not disconnected(broken, digits(), device=CPU)


def test_batch_size_does_not_matter_and_the_network_is_as_before() -> None:
    net = network(dropout=0.5)
    before = values(net)
    scores = [evaluate(net, digits(), device=CPU, batch_size=size) for size in (1, 7, 100)]
    assert len({score["top1"] for score in scores}) == 1
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
