"""The scan: every group of layers at every level, the other layers dense, on all examples of one split.

The scan works block by block: it runs a few batches, then sets each group's weights to each level once and runs the
operations that depend on them again on the batches of the block. Knows neither data sets nor networks by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice

import torch
from torch import Tensor, fx, nn

from pruneexp.pruning.select import Criterion
from pruneexp.schema import Budget
from pruneexp.sensitivity.blocks import BlockPlan, Holding, plan
from pruneexp.sensitivity.groups import Group
from pruneexp.sensitivity.outcomes import Outcomes, OutcomesBuilder, on_cpu
from pruneexp.sensitivity.passes import Forward, copied, forward_of
from pruneexp.sensitivity.recording import recorded
from pruneexp.sensitivity.replay import RecordedPass, Values, moved, size_of
from pruneexp.sensitivity.scanned_group import ScannedGroup, pruning, scanned_group
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.tasks.task import Answers, TaskByExample
from pruneexp.tracing.mode import evaluating, kept_buffers, same_bits
from pruneexp.training import layout, seeding
from pruneexp.training.fit import TrainingData

_VERIFICATION_EXAMPLES = 2  # so few that they need no more memory than a pass


def scan(
    network: nn.Module,
    groups: Sequence[Group],
    budgets: Sequence[Budget],
    criterion: Criterion,
    data: TrainingData,
    *,
    generator: torch.Generator,
    device: torch.device,
    task: TaskByExample = CLASSIFICATION,
    adapt: Callable[[Tensor], Tensor] | None = None,
    batch_size: int = 256,
    memory: int = 2**30,
    progress: Callable[[float], None] | None = None,
) -> Outcomes:
    """Prune each group alone to each budget (all of one kind) and evaluate the network, without retraining.

    Every answer is that of a whole pass with the same ``batch_size``, bit for bit, and does not depend on the order of
    groups and budgets. The criterion draws from copies of ``generator``. ``memory`` bounds the bytes of intermediate
    results in memory at a time and changes no number. ``progress`` gets the finished share, in [0, 1]. The network must
    be on ``device``; its weights, buffers and modes, and torch's global generators, are as before.

    Raises:
        UserError: a budget is out of range, or weights are not numbers.
        ValueError: examples, groups or budgets are missing, budgets are of two kinds, or scores do not fit weights.
    """
    for number, things in ((len(data), "examples"), (len(groups), "groups"), (len(budgets), "budgets")):
        if number == 0:
            raise ValueError(f"the number of {things} is 0; allowed is 1 or more")
    order = sorted(range(len(budgets)), key=lambda level: budgets[level].severity)
    mildest_first = [budgets[level] for level in order]
    with _aside(network, device):
        scanned = [scanned_group(network, group, mildest_first, criterion, generator) for group in groups]
        builder = OutcomesBuilder([(s.name, s.levels) for s in scanned], order, len(data), progress)
        batches = _batches(network, data.batches(batch_size, device), adapt)
        first = next(batches)
        work = _prepared(network, task, scanned, first.inputs, memory)
        for block in _blocks(chain([first], batches), work.plan.batches):
            _scan_block(work, block, builder)
    return builder.outcomes()


@dataclass(frozen=True)
class _Batch:
    """Inputs as the network takes them, their targets, and the index of the first in the data."""

    inputs: Tensor
    targets: Tensor
    start: int


@dataclass(frozen=True)
class _Work:
    """``recordings`` are those of the batches so far, by shape and order in memory."""

    network: nn.Module
    task: TaskByExample
    forward: Forward
    scanned: Sequence[ScannedGroup]
    plan: BlockPlan
    recordings: dict[tuple[Sequence[int], ...], RecordedPass | None] = field(default_factory=dict)

    def recording(self, inputs: Tensor) -> RecordedPass | None:
        form = (inputs.shape, inputs.stride())
        if form not in self.recordings:
            self.recordings[form] = recorded(self.network, inputs, [group.weights for group in self.scanned])
        return self.recordings[form]

    def answers(self, outputs: Tensor, batch: _Batch) -> Answers:
        return on_cpu(self.task.per_example(outputs, batch.targets))


@dataclass(frozen=True)
class _Replay:
    """One group on one batch: the operations that depend on its weights, and the results of others that they take."""

    recording: RecordedPass
    affected: Sequence[fx.Node]
    kept: Values

    def __call__(self) -> Tensor:
        return self.recording.run_again(self.affected, self.kept)


@contextmanager
def _aside(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation without side effects; not in inference mode, where dispatch modes cannot distinguish tensors."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(evaluating(network))
        stack.enter_context(kept_buffers(network))
        stack.enter_context(seeding.forked(device))
        yield


def _batches(
    network: nn.Module, source: Iterator[tuple[Tensor, Tensor]], adapt: Callable[[Tensor], Tensor] | None
) -> Iterator[_Batch]:
    arrange, start = layout.for_network(network), 0
    for inputs, targets in source:
        yield _Batch(arrange(inputs if adapt is None else adapt(inputs)), targets, start)
        start += len(targets)


def _blocks(batches: Iterator[_Batch], size: int) -> Iterator[list[_Batch]]:
    while block := list(islice(batches, size)):
        yield block


def _prepared(
    network: nn.Module, task: TaskByExample, scanned: Sequence[ScannedGroup], inputs: Tensor, memory: int
) -> _Work:
    few, everything = inputs[:_VERIFICATION_EXAMPLES], range(len(scanned))
    forward = forward_of(network, few)
    recording = None if forward.changing else _verified(network, forward, few, scanned)
    if recording is None:
        return _Work(network, task, forward, scanned, BlockPlan((), tuple(everything), 1))
    size, times = inputs.numel() * inputs.element_size(), len(inputs) / len(few)
    division = plan(_holdings(recording, scanned), everything, times=times, images=size, memory=memory)
    return _Work(network, task, forward, scanned, division)


def _verified(
    network: nn.Module, forward: Forward, inputs: Tensor, scanned: Sequence[ScannedGroup]
) -> RecordedPass | None:
    """A recording that, with all weights changed at once, gives the outputs of a whole pass, bit for bit."""
    weights = [weight for group in scanned for weight in group.weights]
    recording = recorded(network, inputs, [weights, *(group.weights for group in scanned)])
    if recording is None:
        return None
    affected = recording.affected(weights)
    _, kept = recording.run(copied(inputs), recording.needed(affected))
    with moved(weights):
        return recording if same_bits(recording.run_again(affected, kept), forward(inputs)) else None


def _holdings(recording: RecordedPass, scanned: Sequence[ScannedGroup]) -> list[Holding]:
    """What each result takes that is kept for groups."""
    users: dict[fx.Node, set[int]] = {}
    for place, group in enumerate(scanned):
        for node in recording.needed(recording.affected(group.weights)) - {recording.images}:
            users.setdefault(node, set()).add(place)
    return [Holding(frozenset(groups), size_of(node)) for node, groups in users.items()]


def _scan_block(work: _Work, block: Sequence[_Batch], builder: OutcomesBuilder) -> None:
    dense = [work.forward(batch.inputs) for batch in block]
    for batch, outputs in zip(block, dense, strict=True):
        builder.write_dense(batch.start, work.answers(outputs, batch))
    for turn in work.plan.turns:
        replays = [_replays(work, turn, batch, outputs) for batch, outputs in zip(block, dense, strict=True)]
        for group in turn:
            _scan_group(work, group, block, [found.get(group) for found in replays], builder)
    for group in work.plan.plain:
        _scan_group(work, group, block, [None] * len(block), builder)


def _replays(work: _Work, turn: Sequence[int], batch: _Batch, outputs: Tensor) -> dict[int, _Replay]:
    """A replay for each group of a turn; none where the recorded pass does not give the batch's ``outputs``."""
    recording = work.recording(batch.inputs)
    if recording is None:
        return {}
    affected = {group: recording.affected(work.scanned[group].weights) for group in turn}
    needed = {group: recording.needed(operations) for group, operations in affected.items()}
    found, kept = recording.run(copied(batch.inputs), frozenset().union(*needed.values()))
    if not same_bits(found, outputs):
        return {}
    return {group: _Replay(recording, affected[group], {node: kept[node] for node in needed[group]}) for group in turn}


def _scan_group(
    work: _Work,
    group: int,
    block: Sequence[_Batch],
    replays: Sequence[_Replay | None],
    builder: OutcomesBuilder,
) -> None:
    scanned = work.scanned[group]
    with pruning(scanned) as prune:
        for levels in scanned.masks():
            prune(levels[0])
            for batch, replay in zip(block, replays, strict=True):
                if replay is None:
                    builder.note_plain(group)
                outputs = work.forward(batch.inputs) if replay is None else replay()
                builder.write(group, levels, batch.start, work.answers(outputs, batch))
