"""The score on val after each epoch: what it adds to a training.

Trains the dense network of a few shipped choices with and without it, by turns, on one thread, and prints the ratio of
CPU seconds. Run as ``python -m benchmarks.epoch_scores``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from pruneexp.stages.setting import Setting
from pruneexp.stages.work import val_value
from pruneexp.training.fit import unscored
from pruneexp.training.trainer import SharedBatches, TrainWork
from tests.contracts.composing import composed
from tests.contracts.jobs import job_of

CHOICES = (
    ("model=lenet_300_100", "data=mnist5k", "train.epochs=3", "train.trainer=single"),
    ("model=lenet_300_100", "data=mnist5k", "train.epochs=3", "train.trainer=stacked"),
    ("model=lenet5", "data=mnist5k", "train.epochs=1"),
)
TURNS = 5
#: Who would rather have this time says ``runtime.epoch_scores=false``.
LIMIT = 1.1


def main() -> int:
    """Print a line for each choice; exit status 1 above the limit."""
    missed = 0
    for choices in CHOICES:
        setting = job_of(*composed(*choices, "device=cpu")).setting
        torch.set_num_threads(1)
        with_score, without = [], []
        for _ in range(TURNS):
            without.append(_seconds(setting, scored=False))
            with_score.append(_seconds(setting, scored=True))
        ratio = statistics.median(one / other for one, other in zip(with_score, without, strict=True))
        missed += ratio > LIMIT
        verdict = "met" if ratio <= LIMIT else "MISSED"
        print(f"{' '.join(choices)}: {min(without):.2f} s, ratio {ratio:.3f}, at most {LIMIT}: {verdict}")
    return int(missed > 0)


def _seconds(setting: Setting, *, scored: bool) -> float:
    """CPU seconds of one training."""
    learner, regime = setting.learner, setting.dense
    network = learner.network("initial")
    score: Callable[[], float] = partial(val_value, learner, network) if scored else unscored
    work = TrainWork(network=network, recipe=regime.recipe.value, penalty=regime.penalty.value, score=score)
    batches = SharedBatches(
        task=learner.task.value,
        data=learner.data.value.train,
        seed=setting.seed,
        device=learner.device,
        augment=regime.augment,
        adapt=learner.adapt,
    )
    began = time.process_time()
    regime.trainer.value.train([work], batches, None)
    return time.process_time() - began


if __name__ == "__main__":
    raise SystemExit(main())
