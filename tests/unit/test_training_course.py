"""A training that is a part of a longer course does in its epochs what the course does in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pruneexp.training.fit import Fitted
from pruneexp.training.recipe import OptimizerName, Recipe, ScheduleName, learning_rate
from pruneexp.training.trainer import SharedBatches, Trainer, TrainWork
from pruneexp.training.trainers.single import Single
from pruneexp.training.trainers.stacked import Stacked
from tests.contracts.training import CPU, digits, half, network, same, values


def course(optimizer: OptimizerName = "sgd", momentum: float = 0.9, schedule: ScheduleName = "cosine") -> Recipe:
    return Recipe(
        epochs=4, batch_size=8, optimizer=optimizer, lr=0.05, momentum=momentum, schedule=schedule,
        milestones=(0.3, 0.8), warmup=0.3,
    )  # fmt: skip


def part(whole: Recipe, begin: int, end: int) -> Recipe:
    return replace(whole, epochs=end - begin, first=begin, course=whole.epochs)


def chain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Dropout(0.4), nn.Linear(12, 3))


NETWORKS: dict[str, tuple[Trainer, Callable[[], nn.Module]]] = {
    "single": (Single(), lambda: network(dropout=0.4)),
    "stacked": (Stacked(), chain),
}


def train(trainer: Trainer, net: nn.Module, recipe: Recipe) -> tuple[Fitted, list[dict[str, Tensor]]]:
    """What training came to, and the network after each epoch."""
    states: list[dict[str, Tensor]] = []

    def score() -> float:
        states.append(values(net))
        return 0.0

    edit = half(net) if isinstance(net[0], nn.Conv2d) else None  # type: ignore[index]
    work = TrainWork(network=net, recipe=recipe, edit=edit, score=score)
    (done,) = trainer.train([work], SharedBatches(data=digits(), seed=3, device=CPU, augment=True), None)
    assert isinstance(done, Fitted)
    return done, states


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_first_epochs_pass_through_the_states_of_the_course(name: str, optimizer: OptimizerName) -> None:
    trainer, fresh = NETWORKS[name]
    whole = course(optimizer)
    done, states = train(trainer, fresh(), whole)
    early, first = train(trainer, fresh(), part(whole, 0, 3))
    assert all(same(*pair) for pair in zip(first, states[:3], strict=True))
    assert not same(states[2], states[3])
    assert (early.epochs, early.losses, early.rates) == (3, done.losses[:3], done.rates[:3])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("schedule", ["constant", "step", "cosine"])
def test_an_optimizer_without_moments_continues_the_course(name: str, schedule: ScheduleName) -> None:
    trainer, fresh = NETWORKS[name]
    whole = course(momentum=0.0, schedule=schedule)
    done, states = train(trainer, fresh(), whole)
    net = fresh()
    train(trainer, net, part(whole, 0, 1))
    late, last = train(trainer, net, part(whole, 1, 4))
    assert all(same(*pair) for pair in zip(last, states[1:], strict=True))
    assert (late.epochs, late.steps, late.losses, late.rates) == (3, 18, done.losses[1:], done.rates[1:])


def test_rates_are_those_of_the_course() -> None:
    whole = course(schedule="step")
    done, _ = train(Single(), network(), part(whole, 2, 4))
    assert done.rates == pytest.approx((0.005, 0.0005))  # after the first milestone, and after both
    assert done.rates == (learning_rate(whole, 17, 24), learning_rate(whole, 23, 24))


@pytest.mark.parametrize(("first", "length"), [(-1, 4), (2, 5)])
def test_a_part_lies_within_its_course(first: int, length: int) -> None:
    with pytest.raises(ValueError, match=r"^(first is -1; allowed is|course is 5; allowed is 6 epochs or more)"):
        replace(course(), first=first, course=length)
