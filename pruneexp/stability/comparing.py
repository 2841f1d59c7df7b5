"""A pruned network held against the dense one that it comes from, answer by answer, and masks against those of seeds.

Knows networks, splits and masks, and no record.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneexp.data.dataset import Source
from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.stages.setting import Learner
from pruneexp.tasks.task import TaskByTargets
from pruneexp.tracing.mode import evaluating
from pruneexp.training import layout


@dataclass(frozen=True)
class Guesses:
    """The first guess of a network for each of N examples, and the labels; int64 (N,), on the CPU."""

    guessed: Tensor
    labels: Tensor


@dataclass(frozen=True)
class AnswerChanges:
    """Percent of all examples with the same guess as before, with right ones lost and with right ones won.

    ``worst_class`` is the class that loses most, and ``worst_change`` how its accuracy changes, in points;
    ``class_changes`` has those of all classes, NaN for one without examples.
    """

    agreement: float
    lost: float
    won: float
    worst_class: int
    worst_change: float
    class_changes: tuple[float, ...]


@dataclass(frozen=True)
class MaskOverlap:
    """Percent of kept weights that two masks share, the mean over pairs, and what chance gives with the same counts."""

    shared: float
    chance: float


@torch.no_grad()
def guesses(learner: Learner, network: nn.Module, split: Source, batch_size: int = 256) -> Guesses:
    """What a network answers to all of a split.

    Raises:
        UserError: its task has no classes.
    """
    arrange, guessed, labels = layout.for_network(network), [], []
    with evaluating(network):
        for inputs, targets in split.batches(batch_size, learner.device):
            if isinstance(learner.task.value, TaskByTargets) or targets.dtype != torch.int64:
                raise _without_classes(learner)
            outputs = network(arrange(inputs if learner.adapt is None else learner.adapt(inputs)))
            logits = outputs.reshape(*targets.shape, -1)
            if logits.shape[-1] < 2:
                raise _without_classes(learner)
            guessed.append(logits.argmax(-1).flatten().cpu())
            labels.append(targets.flatten().cpu())
    return Guesses(torch.cat(guessed), torch.cat(labels))


def _without_classes(learner: Learner) -> UserError:
    return UserError(f"the task {learner.task.value.name} has no classes: answers are compared by their classes")


def changes(dense: Guesses, pruned: Guesses) -> AnswerChanges:
    """What pruning and retraining made of the answers to the same examples."""
    before, after = dense.guessed == dense.labels, pruned.guessed == pruned.labels
    classes = int(dense.labels.max()) + 1
    count = torch.bincount(dense.labels, minlength=classes).double()
    step = (after.long() - before.long()).double()
    by_class = 100.0 * torch.bincount(dense.labels, weights=step, minlength=classes) / count
    worst = int(torch.where(by_class.isnan(), torch.inf, by_class).argmin())
    return AnswerChanges(
        agreement=_percent(dense.guessed == pruned.guessed),
        lost=_percent(before & ~after),
        won=_percent(after & ~before),
        worst_class=worst,
        worst_change=float(by_class[worst]),
        class_changes=tuple(by_class.tolist()),
    )


def overlap(masks: Sequence[MaskSet]) -> MaskOverlap | None:
    """How alike masks of one budget are, each layer by itself; None of fewer than two."""
    pairs = list(itertools.combinations(masks, 2))
    if not pairs:
        return None
    shared, chance = zip(*(_of_pair(*pair) for pair in pairs), strict=True)
    return MaskOverlap(sum(shared) / len(pairs), sum(chance) / len(pairs))


def _of_pair(first: MaskSet, second: MaskSet) -> tuple[float, float]:
    both = by_chance = kept = 0.0
    for name, mask in first.items():
        one, other = int(mask.sum()), int(second[name].sum())
        both += int((mask & second[name]).sum())
        by_chance += one * other / mask.numel()
        kept += (one + other) / 2.0
    return 100.0 * both / max(1.0, kept), 100.0 * by_chance / max(1.0, kept)


def _percent(which: Tensor) -> float:
    return 100.0 * float(which.double().mean())
