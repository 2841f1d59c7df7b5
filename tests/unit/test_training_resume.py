"""A training that was interrupted and resumed ends with the same bits as one that was not."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pruneexp.training.fit import Fitted, fit
from pruneexp.training.recipe import OptimizerName, Recipe
from pruneexp.training.regularizers import L1
from tests.contracts.training import CPU, Killed, Memory, digits, half, network, same, values


def recipe(optimizer: OptimizerName, momentum: float = 0.9) -> Recipe:
    return Recipe(epochs=3, batch_size=8, optimizer=optimizer, lr=0.02, momentum=momentum, schedule="cosine", clip=1.0)


def train(chosen: Recipe, memory: Memory | None, seed: int = 3) -> tuple[nn.Module, Fitted]:
    net = network(dropout=0.4)
    masks = half(net)
    result = fit(
        net, digits(), chosen, seed=seed, device=CPU, edit=masks, penalty=L1(0.01), augment=True, checkpoint=memory
    )
    return net, result


CHOICES = [recipe("sgd"), recipe("sgd", 0.0), recipe("adam"), recipe("adamw")]
WHOLE = {chosen: train(chosen, None) for chosen in CHOICES[:1]}


def whole(chosen: Recipe) -> tuple[nn.Module, Fitted]:
    if chosen not in WHOLE:
        WHOLE[chosen] = train(chosen, None)
    return WHOLE[chosen]


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(CHOICES), st.integers(1, 18), st.integers(0, 3))
def test_resumed_equals_uninterrupted(chosen: Recipe, save_after: int, later: int) -> None:
    memory = Memory(save_after, die_after=min(save_after + later, 17))
    if save_after <= memory.die_after:
        with pytest.raises(Killed):
            train(chosen, memory)
    resumed_memory = Memory(0, 10**9, kept=memory.kept)
    net, result = train(chosen, resumed_memory)
    expected, uninterrupted = whole(chosen)
    assert same(values(net), values(expected))
    assert (result.losses, result.steps, result.epochs) == (
        uninterrupted.losses,
        uninterrupted.steps,
        uninterrupted.epochs,
    )
    assert resumed_memory.steps == 18 - (save_after if memory.kept else 0)


def test_interrupted_twice() -> None:
    memory = Memory(4, 5)
    with pytest.raises(Killed):
        train(CHOICES[0], memory)
    second = Memory(5, 6, kept=memory.kept)
    with pytest.raises(Killed):
        train(CHOICES[0], second)
    net, result = train(CHOICES[0], Memory(0, 10**9, kept=second.kept))
    expected, uninterrupted = whole(CHOICES[0])
    assert same(values(net), values(expected))
    assert result.losses == uninterrupted.losses


def test_seconds_of_earlier_sessions_count() -> None:
    memory = Memory(4, 5)
    with pytest.raises(Killed):
        train(CHOICES[0], memory)
    tensors, state = memory.kept[-1]
    older = json.dumps({**json.loads(state), "seconds": 1000.0})
    _, result = train(CHOICES[0], Memory(0, 10**9, kept=[(tensors, older)]))
    assert 1000.0 < result.seconds < 1100.0


def test_a_save_changes_nothing() -> None:
    net, result = train(CHOICES[2], Memory(7, 10**9))
    expected, uninterrupted = whole(CHOICES[2])
    assert same(values(net), values(expected))
    assert result.losses == uninterrupted.losses
    assert torch.isfinite(torch.tensor(result.losses)).all()
