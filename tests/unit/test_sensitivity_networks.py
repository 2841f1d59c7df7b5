"""The scan on networks that are no chain, that write over their own results, that leave torch, or that take dice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from pruneexp.models.normalization import LocalResponseNorm
from pruneexp.schema import Budget
from pruneexp.sensitivity.groups import groups
from pruneexp.training import seeding
from tests.contracts.training import same, values
from tests.unit.test_sensitivity_scan import agreed, images, scanned

CHANNELS = 4


class Small(nn.Module):
    """Two convolutions and a linear layer; ``forward`` of a subclass decides their order and use."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, CHANNELS, 3, padding=1)
        self.second = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.last = nn.Linear(CHANNELS * 36, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.relu_(self.first(images))
        logits: Tensor = self.last(self.between(x).flatten(1))
        return logits

    def between(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def middle(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(x)
        return out


class Residual(Small):
    def between(self, x: Tensor) -> Tensor:
        out = self.middle(x)
        out += x
        return F.relu(out, inplace=True)


class WritesToIdentity(Small):
    def between(self, x: Tensor) -> Tensor:
        view = x[:, 1:]
        x += self.middle(x)
        return x + F.pad(view, (0, 0, 0, 0, 0, 1))


class WritesAfterReading(Small):
    """An operation that does not depend on the second layer later changes the input of that layer."""

    def between(self, x: Tensor) -> Tensor:
        out = self.middle(x)
        x.mul_(3).sub_(x.mean())
        return torch.cat([out[:, :2], x[:, :2]], 1)


class WritesToImages(Small):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.mul_(2).add_(1))

    def between(self, x: Tensor) -> Tensor:
        return torch.tanh(self.middle(x))


class FillsInParts(Small):
    def between(self, x: Tensor) -> Tensor:
        parts = torch.zeros_like(x)
        parts[:, ::2] = self.middle(x)[:, :2]
        parts[:, 1::2] = x[:, 2:]
        return parts


class UsesAWorkspace(Small):
    """Memory that outlives a pass and is no buffer: every pass writes over it."""

    def between(self, x: Tensor) -> Tensor:
        self.workspace = getattr(self, "workspace", torch.empty(0))
        torch.mul(x, 2, out=self.workspace.resize_(x.shape))
        return self.middle(x) * self.workspace + torch.mul(self.middle(x), x, out=self.workspace)


class KeepsAWorkspace(Small):
    """Each pass overwrites the tensor that a layer of the next pass reads."""

    def between(self, x: Tensor) -> Tensor:
        self.workspace = getattr(self, "workspace", torch.empty(0))
        torch.mul(x, 2, out=self.workspace.resize_(x.shape))
        return self.middle(x) * self.workspace


class UsesALayerTwice(Small):
    def between(self, x: Tensor) -> Tensor:
        return self.middle(torch.relu(self.middle(x)))


class LeavesALayerOut(Small):
    def between(self, x: Tensor) -> Tensor:
        return x


class UsesWeightsAsNumbers(Small):
    def between(self, x: Tensor) -> Tensor:
        kernels = torch.stack([self.second.weight, self.second.weight.flip(-1)]).sum(0)
        return F.conv2d(x, kernels, padding=1) * self.last.weight.mean()


class Loops(Small):
    def between(self, x: Tensor) -> Tensor:
        pieces = [x]
        for _ in range(3):
            pieces.append(self.middle(torch.stack(pieces).mean(0)))
        return pieces[-1]


class ChoosesByValue(Small):
    """One branch for most batches and levels, the other for the rest."""

    def between(self, x: Tensor) -> Tensor:
        out = self.middle(x)
        return out if out.abs().mean() > 0.15 else 2 * x


class ChoosesByShape(Small):
    def between(self, x: Tensor) -> Tensor:
        loud = x[x > 0.5]
        return self.middle(x) * (1 + len(loud) / x.numel())


class LeavesTorch(Small):
    def between(self, x: Tensor) -> Tensor:
        loudest: float = x.numpy().max().item()
        return self.middle(x) * loudest


class Listens(Small):
    def between(self, x: Tensor) -> Tensor:
        loudest: float = max(x.flatten().tolist())
        return self.middle(x) * loudest


class WorksElsewhere(Small):
    """Runs operations in another thread, where no mode sees them."""

    def between(self, x: Tensor) -> Tensor:
        with ThreadPoolExecutor(1) as pool:
            found: Tensor = pool.submit(torch.no_grad()(self.second), x).result()
        return found


class CountsPasses(Small):
    passes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def between(self, x: Tensor) -> Tensor:
        self.passes = self.passes + 1
        return self.middle(x) * self.passes


class TrainsItsStatistics(Small):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(CHANNELS)

    def between(self, x: Tensor) -> Tensor:
        self.norm.train()
        return torch.relu(self.norm(self.middle(x)))


class TakesDice(Small):
    def between(self, x: Tensor) -> Tensor:
        return F.dropout(self.middle(x), 0.5, training=True)


class TakesItsOwnDice(Small):
    def __init__(self) -> None:
        super().__init__()
        self.dice = torch.Generator().manual_seed(0)

    def between(self, x: Tensor) -> Tensor:
        return self.middle(x) + torch.randn(x.shape, generator=self.dice)


class Sparse(Small):
    def between(self, x: Tensor) -> Tensor:
        return self.middle(x) * x.mean((2, 3)).to_sparse().to_dense()[:, :, None, None]


class Tied(nn.Module):
    """One weight in two places, once transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(36, 36, bias=False)
        self.outer = nn.Linear(36, 36)
        self.outer.weight = self.inner.weight
        self.last = nn.Linear(36, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.outer(torch.relu(self.inner(images.flatten(1))))
        logits: Tensor = self.last(F.linear(x, self.inner.weight.t()))
        return logits


class Normalised(nn.Sequential):
    """As AlexNet: layers in groups, local response normalisation, dropout."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 6, 3), nn.ReLU(inplace=True), LocalResponseNorm(), nn.MaxPool2d(2),
            nn.Conv2d(6, 4, 2, groups=2), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3),
        )  # fmt: skip


def built(build: Callable[[], nn.Module]) -> nn.Module:
    with seeding.stream(0, "init"):
        return build()


@pytest.mark.parametrize(
    "build",
    [
        Residual, WritesToIdentity, WritesAfterReading, WritesToImages, FillsInParts,
        UsesALayerTwice, UsesWeightsAsNumbers, Loops, Tied, Normalised, Sparse,
    ],
)  # fmt: skip
def test_replayed_throughout(build: Callable[[], nn.Module]) -> None:
    net = built(build)
    outcomes = agreed(net, images())
    assert outcomes.plain == ()
    assert outcomes.loss.flatten(0, 1).unique(dim=0).shape[0] == 3 * len(groups(net))


def test_a_layer_that_is_not_used_changes_nothing() -> None:
    outcomes = agreed(built(LeavesALayerOut), images())
    assert outcomes.plain == ()
    assert (outcomes.loss[1] == outcomes.dense.loss).all()


@pytest.mark.parametrize(
    "build",
    [LeavesTorch, Listens, WorksElsewhere, UsesAWorkspace, KeepsAWorkspace, ChoosesByValue, ChoosesByShape],
)
def test_whole_passes_where_a_graph_would_not_do(build: Callable[[], nn.Module]) -> None:
    assert agreed(built(build), images()).plain == ("first", "second", "last")


def test_a_network_that_counts_its_passes() -> None:
    net = built(CountsPasses)
    outcomes = scanned(net, images())
    assert outcomes.plain == ("first", "second", "last")
    assert net.get_buffer("passes") == 0
    assert torch.equal(outcomes.loss, scanned(net, images()).loss)


def test_statistics_are_put_back() -> None:
    net = built(TrainsItsStatistics)
    before = values(net)
    assert scanned(net, images()).plain == ("first", "second", "last")
    assert same(before, values(net))


@pytest.mark.parametrize("build", [TakesDice, TakesItsOwnDice])
def test_random_numbers_are_drawn_anew(build: Callable[[], nn.Module]) -> None:
    outcomes = scanned(built(build), images())
    assert outcomes.plain == ("first", "second", "last")
    assert outcomes.loss.flatten(0, 1).unique(dim=0).shape[0] == 9


@pytest.mark.parametrize(
    ("name", "some", "side"),
    [("resnet18", slice(1, None, 9), 32), ("squeezenet1_1", slice(3, None, 9), 64),
     ("shufflenet_v2_x0_5", slice(20, None, 30), 32)],
)  # fmt: skip
def test_networks_of_torchvision(name: str, some: slice, side: int) -> None:
    net = built(lambda: torchvision.models.get_model(name, num_classes=10))
    chosen = groups(net)[some]
    outcomes = agreed(net, images(3, (3, side, side), 10), [Budget("density", 0.3)], some=chosen)
    assert outcomes.plain == ()
    assert outcomes.loss.flatten(0, 1).unique(dim=0).shape[0] == len(chosen) > 1
