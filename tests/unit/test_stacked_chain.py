"""Which networks can be trained in a stack, what a reader is told of the others, and the kernels that multiply."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.parametrizations import weight_norm

from pruneexp.models.lenet import LeNet5, LeNet300100
from pruneexp.training import products, seeding
from pruneexp.training.chain import ChainLink, chain_of, stackable
from pruneexp.training.chain_gradients import ChainGradients
from tests.contracts.training import network


class Own(nn.Module):
    """Two linear layers of one size, and a way through them."""

    def __init__(self, way: Callable[[Own, Tensor], Tensor]) -> None:
        super().__init__()
        self.way = way
        self.one, self.two, self.drop = nn.Linear(4, 4), nn.Linear(4, 4), nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        return self.way(self, images)


def chain(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), *layers)


def test_the_chain_of_a_shipped_network() -> None:
    links = chain_of(LeNet300100())
    assert [(link.kind, link.name) for link in links] == [
        ("linear", "fc1"), ("relu", "relu"), ("linear", "fc2"), ("relu", "relu"), ("linear", "fc3"),
    ]  # fmt: skip


def test_functions_and_modules_are_the_same_links() -> None:
    found = chain_of(Own(lambda net, x: net.two(net.drop(torch.relu(net.one(x.flatten(1)))))))
    assert found == (
        ChainLink("linear", "one"), ChainLink("relu", ""), ChainLink("dropout", "drop"), ChainLink("linear", "two"),
    )  # fmt: skip


def test_the_mode_stays() -> None:
    net = network().eval()
    assert stackable(net) == "_0 (Conv2d) is no layer of a chain"
    assert not any(module.training for module in net.modules())


def frozen() -> nn.Module:
    net = chain(nn.Linear(4, 2))
    net.get_parameter("1.bias").requires_grad_(False)
    return net


def tied() -> nn.Module:
    net = chain(nn.Linear(4, 4), nn.Linear(4, 4))
    net[2].weight = net[1].weight
    return net


def hooked() -> nn.Module:
    net = chain(nn.Linear(4, 2))
    net.register_forward_hook(lambda module, inputs, outputs: None)
    return net


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (LeNet5(), "conv1 (Conv2d) is no layer of a chain"),
        (nn.Sequential(nn.Linear(4, 2)), "it does not flatten its images first"),
        (chain(nn.ReLU()), "it has no linear layer"),
        (chain(nn.Linear(4, 2), nn.BatchNorm1d(2)), "_2 (BatchNorm1d) is no layer of a chain"),
        (chain(weight_norm(nn.Linear(4, 2))), "_1 (ParametrizedLinear) is no layer of a chain"),
        (nn.Sequential(nn.Flatten(2), nn.Linear(4, 2)), "_0 (Flatten) is no layer of a chain"),
        (chain(nn.Linear(4, 2).double()), "1.weight is frozen, or not of contiguous float32"),
        (frozen(), "1.bias is frozen, or not of contiguous float32"),
        (hooked(), "Sequential has hooks"),
        (Own(lambda net, x: net.drop(net.one(net.one(x.flatten(1))))), "one is used twice"),
        (Own(lambda net, x: net.drop(net.one(net.drop(x.flatten(1))))), "drop is used twice"),
        (Own(lambda net, x: net.one(x.flatten(1))), "drop is never used"),
        (tied(), "2 is used twice"),
        (
            Own(lambda net, x: net.one(x.flatten(1)) + net.two(x.flatten(1))),
            "flatten_1 does not take just the result of the operation before it",
        ),
        (Own(lambda net, x: net.one(x.flatten(1)) * 2), "mul (mul) is no layer of a chain"),
        (Own(lambda net, x: net.one(x) if x.sum() > 0 else x), "its forward cannot be followed (TraceError)"),
    ],
)
def test_what_is_no_chain_is_told(net: nn.Module, reason: str) -> None:
    assert stackable(net) == reason
    with pytest.raises(ValueError, match=r"\w+"):
        chain_of(net)


@pytest.mark.parametrize("worth", [0, 2**60])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_and_gradients_are_those_of_autograd(
    monkeypatch: pytest.MonkeyPatch, worth: int, smoothing: float
) -> None:
    """With every product by oneDNN, and with none."""
    monkeypatch.setattr(products, "_WORTH", worth)
    layers = (nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 8), nn.ReLU(), nn.Dropout(1.0), nn.Linear(8, 6, bias=False))
    net = chain(*layers, nn.Dropout(0.0), nn.Identity(), nn.Linear(6, 5), nn.Dropout(0.5))
    images, labels = torch.randn(7, 3, 2, 2), torch.randint(5, (7,))
    before = images.clone()
    loss = ChainGradients(net, chain_of(net), smoothing)(images, labels, seeding.generator(0, "draws"))
    ours = {name: parameter.grad for name, parameter in net.named_parameters()}
    net.zero_grad()
    with seeding.stream(0, "draws"):
        theirs = cross_entropy(net(images), labels, label_smoothing=smoothing)
    theirs.backward()
    assert torch.equal(images, before)
    torch.testing.assert_close(loss, theirs.detach())
    assert any(bool(gradient.any()) for gradient in ours.values() if gradient is not None)
    torch.testing.assert_close(ours, {name: parameter.grad for name, parameter in net.named_parameters()})


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("worth", [0, 2**60])
def test_products_of_any_strides(monkeypatch: pytest.MonkeyPatch, worth: int, turned: bool) -> None:
    monkeypatch.setattr(products, "_WORTH", worth)
    inputs, weight, bias = torch.randn(6, 9), torch.randn(4, 9), torch.randn(4)
    if turned:
        inputs, weight = inputs.t().contiguous().t(), weight.t().contiguous().t()
    expected = inputs.double() @ weight.double().t() + bias.double()
    torch.testing.assert_close(products.linear(inputs, weight, bias), expected.float())
    torch.testing.assert_close(products.linear(inputs, weight), (expected - bias).float())
