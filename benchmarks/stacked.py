"""Nine one-shot retrainings of a curve: ``fit_stacked`` against ``fit``, one after the other, on a CPU.

    python -m benchmarks.stacked [--rounds 7] [--epochs 1] [--threads N]

LeNet-300-100 on ``mnist5k`` with L2, at nine densities, at batch 64 and at the 128 of its recipe.
Goal: a stack takes 1 / 1.3 of the time at either. ``alone`` is one stack for each point, which says how much of
that is due to the kernels and how much to the company. Masks are random and the network is not trained before, which
changes no time.

All run in turn in every round, so that other load on the machine affects all of them; a figure is the median over the
rounds, a ratio the median of the rounds' ratios. Two threads that wait for each other on busy cores lose far more than
their share: measure on an idle machine, or with one thread.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from pruneexp.data.mnist5k import mnist5k
from pruneexp.models.lenet import LeNet300100
from pruneexp.pruning.layers import weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.training import seeding
from pruneexp.training.fit import TrainingData, fit
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import L2
from pruneexp.training.stacked import fit_stacked
from pruneexp.training.trainer import SharedBatches, TrainWork

CPU = torch.device("cpu")
DENSITIES = (0.5, 0.3, 0.2, 0.14, 0.1, 0.07, 0.05, 0.035, 0.025)
FASTER = 1.3
SEED = 0


def works(recipe: Recipe) -> list[TrainWork]:
    """The points of the curve: the same weights, less of them at each."""
    return [TrainWork(network=network(), recipe=recipe, edit=masks(d), penalty=L2(5e-4)) for d in DENSITIES]


def network() -> nn.Module:
    with seeding.stream(SEED, "init"):
        return LeNet300100()


def masks(density: float) -> MaskSet:
    draws = seeding.generator(SEED, "masks")
    return MaskSet({name: torch.rand(w.shape, generator=draws) < density for name, w in weights(network()).items()})


def one_by_one(points: list[TrainWork], data: TrainingData) -> None:
    for point in points:
        fit(
            point.network, data, point.recipe, seed=SEED, device=CPU, edit=point.edit, penalty=point.penalty
        )  # fmt: skip


def alone(points: list[TrainWork], data: TrainingData) -> None:
    for point in points:
        fit_stacked([point], SharedBatches(data=data, seed=SEED, device=CPU))


def stacked(points: list[TrainWork], data: TrainingData) -> None:
    fit_stacked(points, SharedBatches(data=data, seed=SEED, device=CPU))


def compare(batch: int, epochs: int, rounds: int) -> bool:
    """Print the lines of one batch size; return whether the goal holds."""
    data = mnist5k().train
    recipe = Recipe(epochs=epochs, batch_size=batch, optimizer="sgd", lr=0.01)
    runs: dict[str, Callable[[list[TrainWork], TrainingData], None]] = {
        "fit": one_by_one, "alone": alone, "stacked": stacked,
    }  # fmt: skip
    points = {name: works(recipe) for name in runs}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):  # the first does not count
        for name, run in runs.items():
            begin = time.perf_counter()
            run(points[name], data)
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    steps = -(-len(data) // batch) * epochs * len(DENSITIES)
    medians = ", ".join(f"{name} {statistics.median(taken) / steps * 1e3:.2f}" for name, taken in seconds.items())
    ratios = {
        name: statistics.median(a / b for a, b in zip(seconds["fit"], seconds[name], strict=True)) for name in runs
    }
    print(f"batch {batch}: {medians} ms per step of a point", flush=True)
    print(f"  a stack is {ratios['stacked']:.2f} times as fast as fit (goal {FASTER:g}); alone {ratios['alone']:.2f}")
    return ratios["stacked"] >= FASTER


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, {platform.machine()}, {options.rounds} rounds")
    held = [compare(batch, options.epochs, options.rounds) for batch in (64, 128)]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
