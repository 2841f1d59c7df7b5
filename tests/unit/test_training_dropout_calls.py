"""Which layer each call of a dropout belongs to: by what flows where, not by the order of registration."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.models.alexnet import AlexNet
from pruneexp.training.dropout_calls import trace_dropouts
from tests.contracts.dropping import Functional, Shared, noise
from tests.contracts.training import network, same, values


def owners(net: nn.Module, *shape: int) -> list[tuple[str, str]]:
    return [
        (call.dropout, call.layer)
        for call in trace_dropouts(net, noise(*shape).to(next(net.parameters()).device)).calls
    ]


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Dropout2d(0.2), nn.Flatten(), nn.Linear(8, 4), nn.Dropout(0.5), nn.Linear(4, 2)
    )


def test_a_dropout_belongs_to_the_linear_layer_whose_outputs_it_drops() -> None:
    assert owners(small(), 1, 4, 4) == [("1", "3"), ("4", "3")]


def test_the_papers_alexnet() -> None:
    with torch.device("meta"):
        net = AlexNet()
    assert owners(net, 3, 227, 227) == [("dropout1", "fc1"), ("dropout2", "fc2")]


def test_torchvisions_alexnet_drops_before_its_first_linear_layer() -> None:
    with torch.device("meta"):
        net = torchvision.models.alexnet()
    assert owners(net, 3, 224, 224) == [("classifier.0", "classifier.1"), ("classifier.3", "classifier.1")]


def test_a_dropout_after_the_last_convolution() -> None:
    assert owners(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Dropout()), 1, 8, 8) == [("2", "1")]


def test_a_dropout_before_every_layer() -> None:
    assert owners(nn.Sequential(nn.Dropout(), nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 2)), 1, 2, 2) == [("0", "2")]


def test_one_dropout_that_is_called_twice_has_two_layers() -> None:
    assert owners(Shared(), 1, 12, 12) == [("drop", "fc1"), ("drop", "fc2")]


def test_a_transformers_dropouts() -> None:
    """Before attention, whose weights a function uses, and after it; within the feed-forward part, and after that."""
    with torch.device("meta"):
        net = torchvision.models.VisionTransformer(32, 16, 1, 2, 8, 16, dropout=0.1, num_classes=3)
    block = "encoder.layers.encoder_layer_0"
    assert owners(net, 3, 32, 32) == [
        ("encoder.dropout", f"{block}.self_attention.in_proj_weight"),
        (f"{block}.dropout", f"{block}.self_attention.out_proj"),
        (f"{block}.mlp.2", f"{block}.mlp.0"),
        (f"{block}.mlp.4", f"{block}.mlp.3"),
    ]


class Branches(nn.Module):
    """Two branches of one input; each has its dropout, registered in the other order, and both meet in a third."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 4), nn.Linear(4, 4)
        self.drop_right, self.drop_left, self.both = nn.Dropout(), nn.Dropout(), nn.Dropout()
        self.head = nn.Linear(8, 2)

    def forward(self, images: Tensor) -> Tensor:
        left, right = self.left(images.flatten(1)), self.right(images.flatten(1))  # both have run before either drops
        left, right = self.drop_left(left.relu_()), self.drop_right(right)
        return self.head(self.both(torch.cat([right, left], 1)))  # type: ignore[no-any-return]


def test_branches_are_separate_and_where_they_join_the_last_counts() -> None:
    expected = [("drop_left", "left"), ("drop_right", "right"), ("both", "right")]
    assert owners(Branches(), 1, 2, 2) == expected


class Strays(nn.Module):
    """Leaves torch between its first layer and the dropout, and between the dropout and the layer after it."""

    def __init__(self, first: nn.Module) -> None:
        super().__init__()
        self.first, self.drop, self.head = first, nn.Dropout(), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.from_numpy(self.first(images).detach().flatten(1).numpy())
        return self.head(torch.from_numpy(self.drop(hidden).numpy()))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("first", "layer"), [(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), "first.1"), (nn.Conv2d(1, 1, 3), "head")]
)
def test_what_cannot_be_followed_goes_by_the_order_of_execution(first: nn.Module, layer: str) -> None:
    assert owners(Strays(first), 1, 4, 4) == [("drop", layer)]


class Masked(nn.Module):
    """Multiplies its weight with a constant at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop, self.fc = nn.Conv2d(1, 1, 3), nn.Dropout(), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.drop(self.conv(images)).flatten(1)
        return nn.functional.linear(hidden, self.fc.weight * torch.ones(2, 4))


def test_a_weight_that_is_changed_on_its_way_is_its_layers() -> None:
    assert owners(Masked(), 1, 4, 4) == [("drop", "fc")]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("F", ("", "dropout at rate 0.5")),
        ("alpha", ("", "alpha_dropout at rate 0.5")),
        ("1d", ("", "dropout1d at rate 0.5")),
        ("torch", ("", "dropout at rate 0.5")),
        ("sdpa", ("", "scaled_dot_product_attention at rate 0.3")),
        ("mha", ("mixed", "multi_head_attention_forward at rate 0.1")),
        ("lstm", ("recurrent", "lstm at rate 0.2")),
    ],
)
def test_functions_that_drop_are_found(kind: str, found: tuple[str, str]) -> None:
    assert trace_dropouts(Functional(kind), noise(1, 12, 12)).functional == (found,)


@pytest.mark.filterwarnings("ignore:dropout option adds dropout after all but last")
@pytest.mark.parametrize("kind", ["rate 0", "one layer"])
def test_functions_that_drop_nothing_are_not(kind: str) -> None:
    assert trace_dropouts(Functional(kind), noise(1, 12, 12)).functional == ()


def test_a_pass_leaves_no_trace() -> None:
    net = network(dropout=0.5).eval()
    net[2].train()
    before, modes, state = values(net), [module.training for module in net.modules()], torch.get_rng_state()
    assert trace_dropouts(net, noise(1, 6, 6)) == trace_dropouts(net, noise(1, 6, 6))
    assert same(before, values(net))
    assert [module.training for module in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_a_network_that_cannot_run_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"Sequential cannot run a training pass of 2 inputs of shape \(1, 5, 5\)") as e:
        trace_dropouts(small(), noise(1, 5, 5))
    assert "\n" not in str(e.value)
