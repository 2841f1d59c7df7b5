"""Tapes of real passes: their operations, the memory they hold, and passes without a tape."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from pruneexp.pruning.layers import weights
from pruneexp.sensitivity.passes import Forward, copied, forward_of, same_bits
from pruneexp.sensitivity.record import Tape, record
from pruneexp.sensitivity.replay import ReplayMismatch, run, script
from pruneexp.sensitivity.verification import recorded_tape, verified_tape
from tests.unit.test_sensitivity_networks import (
    ChoosesByShape,
    ChoosesByValue,
    CountsPasses,
    LeavesTorch,
    Listens,
    Residual,
    Small,
    Sparse,
    TakesDice,
    TakesItsOwnDice,
    WorksElsewhere,
    WritesToIdentity,
    WritesToImages,
    built,
)

IMAGE, MAPS, FLAT = 36 * 4, 4 * 36 * 4, 4 * 36 * 4  # bytes of one image, and of what the later layers read of it


class WritesToAWeight(Small):
    def between(self, x: Tensor) -> Tensor:
        self.second.weight.mul_(1)
        return self.middle(x)


def pictures(count: int = 3) -> Tensor:
    return torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def taped(net: nn.Module, room: int = sys.maxsize) -> Tape | None:
    return record(net.eval(), pictures(), [[weight] for weight in weights(net).values()], room=room)[1]


def tape_of(build: Callable[[], nn.Module]) -> tuple[nn.Module, Tape]:
    net = built(build)
    tape = taped(net)
    assert tape is not None
    return net, tape


def names(tape: Tape, group: int) -> list[str]:
    return [step.call.function.__name__.partition(".")[0] for step in script(tape, group).instructions]


def test_only_what_depends_on_a_group_is_run_for_it() -> None:
    _, tape = tape_of(Residual)
    assert names(tape, 0) == ["convolution", "relu_", "convolution", "add_", "relu_", "view", "addmm"]
    assert names(tape, 1) == ["convolution", "add_", "relu_", "view", "addmm"]
    assert names(tape, 2) == ["t", "addmm"]


def test_only_what_is_read_from_outside_is_kept() -> None:
    _, tape = tape_of(Residual)
    kept = sorted((sorted(holding.groups), holding.size) for holding in tape.holdings)
    assert kept == [([0], 3 * IMAGE), ([1], 3 * MAPS), ([2], 3 * FLAT)]


def test_weights_are_read_as_they_are_now() -> None:
    net, tape = tape_of(Residual)
    with torch.no_grad():
        for group, weight in enumerate(weights(net).values()):
            weight.mul_(-2)
            assert same_bits(run(script(tape, group)), net(pictures()))
            weight.div_(-2)


def test_a_replay_changes_nothing_that_the_next_one_reads() -> None:
    _, tape = tape_of(WritesToIdentity)
    first = run(script(tape, 1))
    assert same_bits(first, run(script(tape, 1)))
    assert [len(step.claims) for step in script(tape, 1).instructions].count(1) == 1


class Living(TorchDispatchMode):
    """Counts the largest number of operations' results in memory at a time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self.results: list[StorageWeakRef] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.results.append(StorageWeakRef(result.untyped_storage()))
        self.most = max(self.most, sum(not reference.expired() for reference in self.results))
        return result


def test_nothing_is_held_after_its_last_use() -> None:
    _, tape = tape_of(lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 3), *(nn.Tanh() for _ in range(10))))
    scene = script(tape, 0)
    with torch.no_grad(), Living() as living:
        run(scene)
    assert len(living.results) == 12
    assert living.most == 3


@pytest.mark.parametrize("build", [ChoosesByValue, ChoosesByShape])
def test_another_course_is_noticed(build: Callable[[], nn.Module]) -> None:
    net, tape = tape_of(build)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        with pytest.raises(ReplayMismatch, match="instead of"):
            run(script(tape, 0))


@pytest.mark.parametrize("build", [TakesDice, TakesItsOwnDice, Sparse, WritesToAWeight])
def test_no_tape(build: Callable[[], nn.Module]) -> None:
    assert taped(built(build)) is None


def test_no_tape_without_room() -> None:
    needed = 3 * (IMAGE + MAPS + FLAT)
    assert taped(built(Residual), needed) is not None
    assert taped(built(Residual), needed - 1) is None


def test_no_tape_of_a_pass_that_gives_other_logits() -> None:
    net = built(Residual).eval()
    with torch.no_grad():
        logits = net(pictures())
        assert recorded_tape(net, pictures(), logits, [[]], sys.maxsize) is not None
        assert recorded_tape(net, pictures(), logits + 1e-6, [[]], sys.maxsize) is None


@pytest.mark.parametrize(("build", "trusted"), [(Residual, True), (ChoosesByShape, True), (WorksElsewhere, False)])
def test_a_tape_that_replays_otherwise_is_not_trusted(build: Callable[[], nn.Module], trusted: bool) -> None:
    net = built(build).eval()
    groups = [[weight] for weight in weights(net).values()]
    before = [weight.clone() for (weight,) in groups]
    with torch.no_grad():
        assert (verified_tape(net, Forward(net), pictures(), groups) is not None) is trusted
    assert all(same_bits(weight, dense) for (weight,), dense in zip(groups, before, strict=True))


@pytest.mark.parametrize(
    ("build", "possible"), [(Residual, True), (LeavesTorch, False), (Listens, False), (CountsPasses, False)]
)
def test_signs_that_passes_cannot_be_on_tape(build: Callable[[], nn.Module], possible: bool) -> None:
    with torch.no_grad():
        assert forward_of(built(build), pictures())[1] is possible


def test_a_pass_leaves_images_and_buffers_alone() -> None:
    counting, images = built(CountsPasses), pictures()
    with torch.no_grad():
        first = forward_of(counting, images)[0](images)
        assert same_bits(forward_of(counting, images)[0](images), first)
        Forward(built(WritesToImages))(images)
    assert counting.get_buffer("passes") == 0
    assert torch.equal(images, pictures())


def test_copies_keep_their_layout() -> None:
    wide = pictures().expand(-1, 3, -1, -1)
    assert copied(wide) is wide
    last = pictures().repeat(1, 3, 1, 1).contiguous(memory_format=torch.channels_last)
    assert copied(last).stride() == last.stride()
    assert copied(last).data_ptr() != last.data_ptr()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [([torch.nan], [torch.nan], True), ([0.0], [-0.0], False), ([1.0], [1.0, 1.0], False), ([], [], True)],
)
def test_bits(one: list[float], other: list[float], same: bool) -> None:
    assert same_bits(torch.tensor(one), torch.tensor(other)) is same
