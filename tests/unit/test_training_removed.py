"""Training at the size that masks leave: the numbers are those of the whole network but for their last bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pruneexp.models.resnet_cifar import CifarResNet
from pruneexp.models.vgg_cifar import CifarVGG
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Budget
from pruneexp.training import seeding
from pruneexp.training.fit import Fitted
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import L2
from pruneexp.training.trainer import SharedBatches, Trainer, TrainingOutcome, TrainWork, fitted
from pruneexp.training.trainers import removed
from pruneexp.training.trainers.removed import Removed
from pruneexp.training.trainers.single import Single
from tests.contracts.channels import cut
from tests.contracts.training import CPU, Killed, Memory, Tensors, same, values

SHAPE = (1, 14, 14)
SGD = Recipe(epochs=2, batch_size=8, optimizer="sgd", lr=0.1, momentum=0.9)
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "chain": lambda: CifarVGG(3, 1, 14, [[6], [8]]),
    "residual": lambda: CifarResNet(3, 1, 14, depth=8, widths=[4, 6, 8]),
    "without batch normalisation": lambda: nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 3),
    ),
}  # fmt: skip


def made(build: Callable[[], nn.Module]) -> nn.Module:
    with seeding.stream(0, "init"):
        return build()


def images(count: int = 40) -> Tensors:
    draws = torch.Generator().manual_seed(1)
    return Tensors(torch.randn(count, *SHAPE, generator=draws), torch.randint(3, (count,), generator=draws))


def trained(
    trainer: Trainer, network: nn.Module, edit: MaskSet | None, memory: Memory | None = None, **more: Any
) -> Fitted:
    work = replace(TrainWork(network=network, recipe=SGD, edit=edit, penalty=L2(1e-3)), **more)
    (done,) = trainer.train([work], SharedBatches(data=images(), seed=3, device=CPU, augment=True), memory)
    assert isinstance(done, Fitted)
    return done


def halved(network: nn.Module) -> MaskSet:
    return cut(network, SHAPE, Budget("units", 0.5)).masks


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_the_numbers_are_those_of_the_whole_network(build: Callable[[], nn.Module]) -> None:
    whole, small = made(build), made(build)
    masks = halved(whole)
    expected, found = trained(Single(), whole, masks), trained(Removed(), small, masks)
    assert found.losses == pytest.approx(expected.losses, rel=1e-4)
    assert (found.steps, found.rates, found.edit) == (expected.steps, expected.rates, masks)
    for name, weight in weights(whole).items():
        assert torch.allclose(weights(small)[name], weight, atol=1e-5), name
        assert not weights(small)[name][~masks[name]].any()
    with torch.no_grad():
        outputs = [network.eval()(images().images) for network in (whole, small)]
    assert (outputs[0] - outputs[1]).abs().max() < 0.02 * outputs[0].std(0).min()  # their inputs decide them, too


def test_what_is_trained_is_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def watched(work: TrainWork, *rest: Any) -> TrainingOutcome:
        sizes.append(sum(each.numel() for each in work.network.parameters()))
        return fitted(work, *rest)

    monkeypatch.setattr(removed, "fitted", watched)
    network = made(NETWORKS["chain"])
    masks = halved(network)
    trained(Removed(), network, masks)
    trained(Removed(), network, None)
    assert sizes[0] < 0.45 * sizes[1]


def test_single_weights_that_leave_every_channel_train_as_ever() -> None:
    whole, small = made(NETWORKS["chain"]), made(NETWORKS["chain"])
    masks = MaskSet({name: torch.arange(w.numel()).view_as(w) % 3 != 0 for name, w in weights(whole).items()})
    trained(Single(), whole, masks)
    trained(Removed(), small, masks)
    assert same(values(whole), values(small))


def test_resumed_equals_uninterrupted() -> None:
    expected, network = made(NETWORKS["residual"]), made(NETWORKS["residual"])
    trained(Removed(), expected, halved(expected))
    memory = Memory(save_after=7, die_after=8)
    with pytest.raises(Killed):
        trained(Removed(), network, halved(network), memory)
    again = made(NETWORKS["residual"])
    trained(Removed(), again, halved(again), Memory(0, 10**9, kept=memory.kept))
    assert same(values(again), values(expected))


def test_scores_are_of_the_whole_network() -> None:
    network, seen = made(NETWORKS["chain"]), []
    masks = halved(network)

    def score() -> float:
        seen.append(next(iter(weights(network).values())).clone())
        return float(len(seen))

    done = trained(Removed(), network, masks, score=score)
    assert done.scores == (1.0, 2.0)
    assert not torch.equal(*seen)
    assert torch.equal(seen[1], next(iter(weights(network).values())))


def test_code_that_needs_its_sizes_trains_whole() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            found = self.first(inputs).mean((2, 3))
            made: Tensor = self.last(found + torch.arange(4))
            return made

    whole, small = made(Fixed), made(Fixed)
    keep = torch.tensor([True, True, False, False])
    masks = MaskSet({"first": keep.view(4, 1, 1, 1).expand(4, 1, 3, 3).clone(), "last": keep.expand(3, 4).clone()})
    trained(Single(), whole, masks)
    trained(Removed(), small, masks)
    assert same(values(whole), values(small))
