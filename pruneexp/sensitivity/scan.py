"""The scan: every group of layers at every level, the other layers dense, on all images of one split.

The scan works block by block: it records a few batches, then sets each group's weights to each level once and runs the
operations that depend on them again on the batches of the block. Knows neither data sets nor networks by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import Tensor, nn

from pruneexp.pruning.select import Criterion
from pruneexp.schema import Budget
from pruneexp.sensitivity.blocks import BlockPlan, plan
from pruneexp.sensitivity.groups import Group
from pruneexp.sensitivity.levels import severity
from pruneexp.sensitivity.outcomes import Outcomes, OutcomesBuilder, answers
from pruneexp.sensitivity.passes import Forward, forward_of, kept_buffers
from pruneexp.sensitivity.replay import ReplayMismatch, Script, run, script
from pruneexp.sensitivity.scanned_group import ScannedGroup, pruning, scanned_group
from pruneexp.sensitivity.verification import recorded_tape, verified_tape
from pruneexp.tracing.mode import evaluating
from pruneexp.training import layout, seeding
from pruneexp.training.fit import TrainingData

_VERIFICATION_IMAGES = 2  # so few that their tape needs no more memory than a pass


def scan(
    network: nn.Module,
    groups: Sequence[Group],
    budgets: Sequence[Budget],
    criterion: Criterion,
    data: TrainingData,
    *,
    generator: torch.Generator,
    device: torch.device,
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
        ValueError: there are no images, groups or budgets, budgets are of two kinds, or scores do not fit the weights.
    """
    for number, things in ((len(data), "images"), (len(groups), "groups"), (len(budgets), "budgets")):
        if number == 0:
            raise ValueError(f"the number of {things} is 0; allowed is 1 or more")
    order = sorted(range(len(budgets)), key=lambda level: severity(budgets[level]))
    mildest_first = [budgets[level] for level in order]
    with _aside(network, device):
        scanned = [scanned_group(network, group, mildest_first, criterion, generator) for group in groups]
        builder = OutcomesBuilder([(s.name, s.levels) for s in scanned], order, len(data), progress)
        batches = _batches(network, data.batches(batch_size, device), adapt)
        first = next(batches)
        work = _prepared(network, scanned, first.images, memory)
        for block in _blocks(chain([first], batches), work.plan.batches):
            _scan_block(work, block, builder)
    return builder.outcomes()


@dataclass(frozen=True)
class _Batch:
    """Images as the network takes them, their labels, and the index of the first in the data."""

    images: Tensor
    labels: Tensor
    start: int


@dataclass(frozen=True)
class _Work:
    network: nn.Module
    forward: Forward
    scanned: Sequence[ScannedGroup]
    plan: BlockPlan
    memory: int


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
    for images, labels in source:
        yield _Batch(arrange(images if adapt is None else adapt(images)), labels, start)
        start += len(labels)


def _blocks(batches: Iterator[_Batch], size: int) -> Iterator[list[_Batch]]:
    while block := list(islice(batches, size)):
        yield block


def _prepared(network: nn.Module, scanned: Sequence[ScannedGroup], images: Tensor, memory: int) -> _Work:
    few, everything = images[:_VERIFICATION_IMAGES], range(len(scanned))
    forward, tapeable = forward_of(network, few)
    tape = verified_tape(network, forward, few, [s.weights for s in scanned]) if tapeable else None
    if tape is None:
        division = BlockPlan((), tuple(everything), 1)
    else:
        size, times = images.numel() * images.element_size(), len(images) / len(few)
        division = plan(tape.holdings, everything, times=times, images=size, memory=memory)
    return _Work(network, forward, scanned, division, memory)


def _scan_block(work: _Work, block: Sequence[_Batch], builder: OutcomesBuilder) -> None:
    dense = [work.forward(batch.images) for batch in block]
    for batch, logits in zip(block, dense, strict=True):
        builder.write_dense(batch.start, answers(logits, batch.labels))
    for turn in work.plan.turns:
        scripts = _scripts(work, turn, block, dense)
        for group in turn:
            _scan_group(work, group, block, scripts[group], builder)
    for group in work.plan.plain:
        _scan_group(work, group, block, [None] * len(block), builder)


def _scripts(
    work: _Work, turn: Sequence[int], block: Sequence[_Batch], dense: Sequence[Tensor]
) -> dict[int, list[Script | None]]:
    """For each group of a turn, the script of each batch; None where the batch needs a whole pass."""
    weights = [work.scanned[group].weights for group in turn]
    scripts: dict[int, list[Script | None]] = {group: [] for group in turn}
    room = work.memory
    for batch, logits in zip(block, dense, strict=True):
        tape = recorded_tape(work.network, batch.images, logits, weights, room)
        room -= tape.size if tape else 0
        for position, group in enumerate(turn):
            scripts[group].append(script(tape, position) if tape else None)
    return scripts


def _scan_group(
    work: _Work, group: int, block: Sequence[_Batch], scripts: Sequence[Script | None], builder: OutcomesBuilder
) -> None:
    scanned = work.scanned[group]
    with pruning(scanned) as prune:
        for levels in scanned.masks():
            prune(levels[0])
            for batch, script in zip(block, scripts, strict=True):
                logits = _replayed(script)
                if logits is None:
                    logits = work.forward(batch.images)
                    builder.note_plain(group)
                builder.write(group, levels, batch.start, answers(logits, batch.labels))


def _replayed(script: Script | None) -> Tensor | None:
    try:
        return None if script is None else run(script)
    except ReplayMismatch:
        return None
