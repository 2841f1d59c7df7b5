"""Statistics of calibration batches, against gradients and norms by hand; and the criteria that are made of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pruneexp.errors import UserError
from pruneexp.pruning.criteria.snip import Snip
from pruneexp.pruning.criteria.taylor import Taylor
from pruneexp.pruning.criteria.wanda import Wanda
from pruneexp.pruning.informed import STATISTICS, InformedCriterion
from pruneexp.pruning.layers import prunable
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.training.calibration import calibrated

Batches = list[tuple[Tensor, Tensor]]


def network() -> nn.Sequential:
    """A grouped convolution, dropout, which must not act, and a linear layer."""
    net = nn.Sequential(nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(24, 3))
    for number, parameter in enumerate(net.parameters()):
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(number))
    return net


def layer(net: nn.Sequential, name: str) -> nn.Parameter:
    """The weight of a layer."""
    return prunable(net)[name].weight


def features(net: nn.Sequential, given: Batches) -> Tensor:
    """What the last layer is given, of all batches."""
    with torch.no_grad():
        made: Tensor = nn.Sequential(*list(net)[:4]).eval()(torch.cat([images for images, _ in given]))
    return made


def batches(count: int = 3) -> Batches:
    draws = torch.Generator().manual_seed(9)
    return [
        (torch.randn(5, 4, 4, 4, generator=draws), torch.randint(0, 3, (5,), generator=draws)) for _ in range(count)
    ]


def statistics(net: nn.Module, given: Batches) -> dict[str, dict[str, Tensor]]:
    return calibrated(net, given, CLASSIFICATION, prunable(net), STATISTICS)


def gradients(net: nn.Sequential, given: Batches) -> list[dict[str, Tensor]]:
    """The gradients of each batch, by backward passes of torch alone."""
    found = []
    net.eval()
    for images, labels in given:
        net.zero_grad()
        cross_entropy(net(images), labels).backward()
        found.append({name: layer(net, name).grad for name in ("0", "4")})
    net.zero_grad()
    return [{name: grad for name, grad in each.items() if grad is not None} for each in found]


def test_gradients_are_those_of_autograd() -> None:
    net, given = network(), batches()
    found, each = statistics(net, given), gradients(net, given)
    for name in ("0", "4"):
        mean = torch.stack([one[name] for one in each]).mean(0)
        squares = torch.stack([one[name].square() for one in each]).mean(0)
        torch.testing.assert_close(found["gradients"][name], mean)
        torch.testing.assert_close(found["squared_gradients"][name], squares)


def test_norms_are_those_of_the_inputs_that_a_weight_meets() -> None:
    net, given = network(), batches()
    found = statistics(net, given)["input_norms"]
    images = torch.cat([images for images, _ in given])
    channels = images.square().sum((0, 2, 3)).sqrt()
    assert found["0"].shape == (6, 2, 1, 1)
    for output in range(6):  # the first three see channels 0 and 1, the others 2 and 3
        torch.testing.assert_close(found["0"][output].flatten(), channels[:2] if output < 3 else channels[2:])
    torch.testing.assert_close(found["4"], features(net, given).norm(dim=0)[None])


def test_of_text_every_place_counts() -> None:
    net = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Flatten())
    tokens = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(0))
    found = calibrated(net, [(tokens, torch.zeros(5).long())], CLASSIFICATION, prunable(net), ["input_norms"])
    torch.testing.assert_close(found["input_norms"]["0"], tokens.flatten(0, 1).norm(dim=0)[None])


def test_the_network_is_left_as_it_was() -> None:
    net, state = network().train(), torch.get_rng_state()
    layer(net, "4").requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = statistics(net, batches())
    assert found["gradients"]["4"].any()  # frozen weights have gradients for a while
    assert not layer(net, "4").requires_grad
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_inputs_that_nobody_sees_are_named() -> None:
    net = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 3))
    tokens = [(torch.zeros(2, 2).long(), torch.zeros(2).long())]
    with pytest.raises(UserError, match=r"needs the inputs of the layers that it prunes, and sees none of 0:"):
        calibrated(net, tokens, CLASSIFICATION, prunable(net), ["input_norms"])


def scores(criterion: InformedCriterion, net: nn.Module, given: Batches) -> Mapping[str, Tensor]:
    weights = {name: layer.weight for name, layer in prunable(net).items()}
    found = calibrated(net, given, CLASSIFICATION, prunable(net), criterion.statistics)
    return criterion.informed(found)(weights, torch.Generator())


class TestScores:
    def test_taylor_is_the_mean_of_what_batches_say(self) -> None:
        net, given = network(), batches()
        found, each, weight = scores(Taylor(), net, given), gradients(net, given), layer(net, "4").detach()
        torch.testing.assert_close(found["4"], torch.stack([(one["4"] * weight).square() for one in each]).mean(0))

    def test_snip_is_of_the_mean_gradient(self) -> None:
        net, given = network(), batches()
        found, each, weight = scores(Snip(), net, given), gradients(net, given), layer(net, "0").detach()
        torch.testing.assert_close(found["0"], (torch.stack([one["0"] for one in each]).mean(0) * weight).abs())

    def test_taylor_foresees_the_change_of_the_loss(self) -> None:
        net, given = network().double().eval(), [(images.double(), labels) for images, labels in batches(1)]
        images, labels = given[0]
        weight, small = layer(net, "4"), 1e-4
        with torch.no_grad():
            before = cross_entropy(net(images), labels)
            old = float(weight[1, 2])
            weight[1, 2] = old * (1 - small)  # a ten-thousandth of the way to zero
            change = float(cross_entropy(net(images), labels) - before) / small
            weight[1, 2] = old
        assert float(scores(Taylor(), net, given)["4"][1, 2]) == pytest.approx(change**2, rel=1e-2)

    def test_wanda_weighs_by_norms(self) -> None:
        net, given = network(), batches()
        expected = layer(net, "4").detach().abs() * features(net, given).norm(dim=0)
        torch.testing.assert_close(scores(Wanda(), net, given)["4"], expected)

    @pytest.mark.parametrize("criterion", [Taylor(), Snip(), Wanda()])
    def test_scores_carry_no_gradient(self, criterion: InformedCriterion) -> None:
        net = network()
        for name, score in scores(criterion, net, batches()).items():
            assert not score.requires_grad
            assert score.shape == prunable(net)[name].weight.shape

    @pytest.mark.parametrize("kind", [Taylor, Snip, Wanda])
    def test_batches_are_counted(self, kind: type[Taylor]) -> None:
        for wrong in (0, 2.5, True):
            with pytest.raises(ValueError, match=rf"batches is {wrong}, must be a whole number of at least 1"):
                kind(batches=wrong)  # type: ignore[arg-type]
