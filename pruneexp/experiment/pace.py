"""How long an epoch takes: measured where the store has trainings of the kind, else tried on a few steps of noise."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pruneexp.data.tensors import TensorSource
from pruneexp.stages.graph import Stage
from pruneexp.stages.setting import Setting
from pruneexp.training import seeding
from pruneexp.training.trainer import SharedBatches, TrainWork

#: FLOP of the timed steps at most: half a second on a slow core, and still a batch of AlexNet at 67 px.
TIMED_FLOP = 2e10

#: Steps that are timed at once, and for how many seconds again; the quickest counts.
_STEPS, _SECONDS = 16, 0.2

#: What a guess and a measurement are multiplied by, for the range that a plan says. A machine has other work to do at
#: one time than at another, and noise trains as fast as images but for augmentation and caches.
GUESSED, MEASURED = (0.7, 1.8), (0.85, 1.3)

#: FLOP per second of an NVIDIA A100 in TF32, in which torch convolves numbers of float32 (NVIDIA's data sheet, without
#: sparsity), and the shares of it that trainings are assumed to reach.
A100, REACHED = 156e12, (0.3, 0.1)

#: Seconds of masks, scores and records for each stage that is made, in no epoch; of LeNet-300-100.
BESIDE = 0.06


@dataclass
class Paces:
    """Seconds per epoch of kinds of trainings, ``measured`` as [seconds, epochs] and ``guessed``.

    A kind is a stage's, for a network, data and batch on a device. ``try_out`` is asked once for each of the latter.
    """

    try_out: Callable[[Setting], float]
    measured: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    guessed: dict[str, float] = field(default_factory=dict)

    def kind(self, stage: Stage, setting: Setting) -> tuple[str, str]:
        learner, recipe = setting.learner, setting.dense.recipe.value
        trainer = setting.dense.trainer.identity
        parts = (learner.model.identity, recipe.batch_size, len(learner.data.value.train), str(learner.device), trainer)
        return stage.kind, json.dumps(parts, sort_keys=True, default=str)

    def guess(self, kind: tuple[str, str], setting: Setting) -> None:
        """Try a kind out, in case nothing will have measured it."""
        if kind[1] not in self.guessed:
            self.guessed[kind[1]] = self.try_out(setting)

    def learn(self, kind: tuple[str, str], record: Mapping[str, Any]) -> None:
        """Take in what a stored stage of the kind took."""
        effort = record.get("effort") or {}
        if effort.get("epochs") and effort.get("seconds"):
            sums = self.measured.setdefault(kind, [0.0, 0.0])
            sums[0] += effort["seconds"]
            sums[1] += effort["epochs"]

    def seconds(self, kind: tuple[str, str]) -> tuple[float, float]:
        """Seconds of an epoch, at best and at worst: of this kind of stage, else of any of the same network."""
        sums = self.measured.get(kind)
        if sums is None:
            alike = [each for (_, same), each in self.measured.items() if same == kind[1]]
            sums = [sum(column) for column in zip(*alike, strict=True)] if alike else None
        if sums is not None:
            return sums[0] / sums[1] * MEASURED[0], sums[0] / sums[1] * MEASURED[1]
        guess = self.guessed.get(kind[1], math.nan)
        return guess * GUESSED[0], guess * GUESSED[1]


def seconds_per_epoch(setting: Setting) -> float:
    """Extrapolated from a few steps on noise, not a number where they fail; a plan does not need more.

    At least two examples where a step of training has as many: batch normalisation may not take a single one.
    """
    learner = setting.learner
    affordable = int(TIMED_FLOP / (3 * learner.costs.flop_total))
    count = min(setting.dense.recipe.value.batch_size, max(2, affordable))
    with seeding.forked(learner.device):  # dropout draws
        try:
            return _seconds_per_example(setting, count, steps=min(_STEPS, max(1, affordable // count)))
        except RuntimeError:  # such as too little memory, which other work on the device may need now
            return math.nan


def _seconds_per_example(setting: Setting, count: int, steps: int) -> float:
    """Of an epoch as long as the training split, by the trainer of the dense network."""
    learner, regime = setting.learner, setting.dense
    recipe = replace(regime.recipe.value, epochs=1, batch_size=count)
    batches = SharedBatches(
        task=learner.task.value,
        data=TensorSource(*learner.example(count * steps, "plan")),
        seed=0,
        device=learner.device,
    )

    def once() -> float:
        work = TrainWork(network=learner.network("fresh"), recipe=recipe, penalty=regime.penalty.value)
        started = _now(learner.device)
        regime.trainer.value.train([work], batches, None)
        return _now(learner.device) - started

    first = once()  # allocates, and counts only where it took long
    began, found = time.perf_counter(), [first] if first > _SECONDS else []
    while not found or time.perf_counter() - began < _SECONDS - first:
        found.append(once())
    return min(found) / (count * steps) * len(learner.data.value.train)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
