"""Residual branches: which there are, which may go, how they are chosen, and their removal."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.models.preresnet import PreResNet
from pruneexp.models.resnet_cifar import CifarResNet
from pruneexp.pruning.allocations.global_threshold import GlobalThreshold
from pruneexp.pruning.branches import branches
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.removal import read_architecture, removed, shrink_, write_architecture
from pruneexp.pruning.select import select
from pruneexp.pruning.stand_ins import StandIn
from pruneexp.pruning.units.residual_branch import BranchGrouping, ResidualBranch
from pruneexp.schema import Budget
from tests.contracts.channels import restless, settled
from tests.contracts.tracing import traced_by

SHAPE = (3, 8, 8)


class Joined(nn.Module):
    """A branch of two convolutions whose output joins its input by ``how``."""

    def __init__(self, how: Callable[[Joined, Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.one, self.two = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 4, 1)
        self.wide, self.how, self.head = nn.Conv2d(4, 4, 1), how, nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.how(self, self.stem(images)).mean((2, 3)))
        return logits


def body(self: Joined, x: Tensor) -> Tensor:
    made: Tensor = self.two(self.one(x).relu_())
    return made


def inplace(self: Joined, x: Tensor) -> Tensor:
    y = body(self, x)
    y.add_(x)
    return y


def twice(self: Joined, x: Tensor) -> Tensor:
    y = inplace(self, x)
    z: Tensor = self.wide(y)
    z += y
    return z


HELD: dict[str, tuple[Callable[[Joined, Tensor], Tensor], dict[str, str]]] = {
    "projection": (lambda self, x: body(self, x) + self.wide(x), {"one": "no identity beside it"}),
    "way around": (lambda self, x: x + body(self, x) * x, {"one": "a way around its weights"}),
    "read elsewhere": (
        lambda self, x: torch.cat([(y := body(self, x)) + x, y], 2),
        {"one": "other code reads it, or it reads something else"},
    ),
    "used twice": (lambda self, x: self.wide(x + self.wide(x)), {"wide": "a layer that is used elsewhere, too"}),
    "branch within": (
        lambda self, x: x + self.wide((y := x.relu()) + body(self, y)),
        {"one": "another branch within it"},
    ),
}


def grouped(network: nn.Module, shape: tuple[int, ...] = SHAPE, exclude: Collection[str] = ()) -> BranchGrouping:
    return ResidualBranch().grouping(traced_by(network, shape), network, prunable(network, exclude=exclude))


def cut_branches(network: nn.Module, share: float) -> MaskSet:
    found = {name: weight.detach() for name, weight in weights(network).items()}
    return select(
        found, Budget("units", share), Magnitude(), GlobalThreshold(),
        unit=grouped(network), min_keep=0, generator=torch.Generator(),
    ).masks  # fmt: skip


@pytest.mark.parametrize("how", [lambda self, x: x + body(self, x), inplace])
def test_a_branch_lies_between_a_tensor_and_its_sum(how: Callable[[Joined, Tensor], Tensor]) -> None:
    network = Joined(how)
    (found,) = branches(traced_by(network, SHAPE), network).found
    assert found.layers == ("one", "two")
    assert found.parameters == {"one.weight", "one.bias", "two.weight", "two.bias"}


@pytest.mark.parametrize("name", HELD)
def test_what_is_no_branch_beside_an_identity_stays(name: str) -> None:
    how, held = HELD[name]
    network = Joined(how)
    found = branches(traced_by(network, SHAPE), network)
    assert found.held == held
    assert [each.layers for each in found.found] == ([("one", "two")] if name == "branch within" else [])


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: CifarResNet(depth=20, widths=(4, 6, 8), image_size=8),
    "preresnet": lambda: PreResNet(depth=20, widths=(2, 3, 4), image_size=8),
    "in place": lambda: Joined(twice),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_the_small_network_computes_what_the_masked_one_does(name: str, share: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = restless(NETWORKS[name]())
    masks = cut_branches(network, share)
    masked, inputs = settled(network, masks, SHAPE), torch.randn(3, *SHAPE)
    small = removed(masked, masks, torch.randn(2, *SHAPE))
    with torch.no_grad():
        wanted, found = masked(inputs), small.network(inputs)
    assert (wanted - found).abs().max() < 1e-5 * wanted.abs().max()
    assert wanted.std(0).max() > 1e-2 * wanted.abs().max()
    left = sum(weight.numel() for weight in weights(small.network).values())
    assert left == masks.kept == small.masks.total < masks.total
    write_architecture(tmp_path / "architecture.json", small.architecture)
    fresh = NETWORKS[name]().eval()
    shrink_(fresh, read_architecture(tmp_path / "architecture.json"))
    fresh.load_state_dict(small.network.state_dict())
    assert torch.equal(fresh(inputs), found)


def test_ends_of_stages_stay_and_the_plan_says_so() -> None:
    units = grouped(NETWORKS["resnet"]())
    assert [each.layers[0] for each in units.of.found] == [
        f"stage{stage}.{block}.conv1" for stage, block in ((1, 0), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2))
    ]
    assert units.staying == "residual branches that stay: stage2.0.conv1 and 1 more (no identity beside it)"


def test_the_least_mean_magnitude_goes_first_and_its_constant_stays() -> None:
    torch.manual_seed(0)
    network = restless(NETWORKS["resnet"]())
    for name in ("stage1.1.conv1", "stage1.1.conv2"):
        network.get_parameter(f"{name}.weight").data.mul_(1e-3)
    masks = cut_branches(network, 0.8)  # 6 of 7
    assert [name for name, kept in masks.kept_per_layer.items() if not kept] == ["stage1.1.conv1", "stage1.1.conv2"]
    small = removed(network, masks, torch.randn(2, *SHAPE))
    assert small.architecture.constants == {
        "stage1.1.conv1": None, "stage1.1.norm1": None, "stage1.1.conv2": None, "stage1.1.norm2": (1, 4, 1, 1)
    }  # fmt: skip
    norm = network.get_submodule("stage1.1.norm2")
    wanted = norm(torch.zeros(1, 4, 1, 1)).detach()
    assert torch.allclose(small.network.get_parameter("stage1.1.norm2.constant"), wanted, atol=1e-6)
    assert "stage1.1.conv1" not in small.masks


class TestAttention:
    def test_branches_of_modules_go_and_those_of_code_that_needs_sizes_stay(self) -> None:
        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.norm, self.attention = nn.LayerNorm(12), nn.MultiheadAttention(12, 3, batch_first=True)
                self.wide, self.narrow = nn.Linear(12, 20), nn.Linear(10, 12)

            def forward(self, x: Tensor) -> Tensor:
                y = self.norm(x)
                x = x + self.attention(y, y, y, need_weights=False)[0]
                outputs: Tensor = x + self.narrow(nn.functional.glu(self.wide(x)))
                return outputs

        torch.manual_seed(0)
        network = restless(Block())
        units = grouped(network, (5, 12))
        assert [each.layers for each in units.of.found] == [("attention.in_proj_weight", "attention.out_proj")]
        assert units.of.held == {"wide": "code within it needs its layers"}
        masks = units.masks({"residual branches": torch.tensor([False])}, MaskSet.dense(weights(network)))
        masked, inputs = copy.deepcopy(network), torch.randn(2, 5, 12)
        masks.apply_(masked)
        small = removed(network, masks, inputs).network
        assert isinstance(small.get_submodule("attention"), StandIn)
        assert torch.allclose(small(inputs), masked(inputs), atol=1e-6)


def test_a_branch_stays_where_no_output_would_follow_from_the_inputs() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mixes = nn.ModuleList(nn.Conv1d(5, 5, 1) for _ in range(2))
            self.widens = nn.ModuleList(nn.Linear(12, 12) for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            x = torch.cat([torch.zeros_like(x[:, :1]), x[:, 1:]], 1)  # the first token is the same for all
            for mix, widen in zip(self.mixes, self.widens, strict=True):
                x = x + widen(x)
                x = x + mix(x)
            return x[:, 0]

    units = grouped(restless(Token()), (5, 12))
    assert [each.layers for each in units.of.found] == [("widens.0",), ("widens.1",), ("mixes.1",)]
    assert units.of.held == {"mixes.0": "without any such, no output follows from the inputs"}


class TestRefused:
    def test_without_a_branch(self) -> None:
        with pytest.raises(UserError, match=r"Sequential has no residual branches that can go: nothing is added"):
            grouped(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(256, 2)))

    def test_layers_out_of_scope(self) -> None:
        network = Joined(inplace)
        with pytest.raises(UserError, match=r"that can go: one \(outside of criterion.layers, or in criterion.excl"):
            grouped(network, exclude=["two"])
