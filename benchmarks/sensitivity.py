"""The sensitivity of every layer (Han et al. 2015, Figure 6): ``scan`` against an evaluation per layer and level.

    python -m benchmarks.sensitivity [--rounds 1] [--threads N]

AlexNet at 67 pixels, VGG-16 at 32 and at 64 pixels, on validation digits of ``mnist5k``, nine densities. ``plain`` is
the obvious way with this project's own parts: per layer and level, prune the layer, ``evaluate``, and restore the
weights. Goals: ``scan`` is 2.3 times as fast on AlexNet, 1.8 times on VGG-16, and the loss on every image is the
same bit for bit. The networks are not trained, which changes no time.

Both run in turn in every round; a figure is the median over the rounds, a ratio the median of the rounds' ratios. A
round takes 6.7 minutes with one thread. Other load on the machine slows the late layers most, and lowers the ratio.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pruneexp.data.mnist5k import mnist5k
from pruneexp.data.resident import ResidentSource
from pruneexp.models.adapt import adapt, input_shape_of
from pruneexp.models.alexnet import AlexNet
from pruneexp.models.vgg import VGG16
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.layers import weights
from pruneexp.pruning.select import select
from pruneexp.schema import Budget, Score
from pruneexp.sensitivity.groups import groups
from pruneexp.sensitivity.outcomes import score_of
from pruneexp.sensitivity.scan import scan
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.tracing.graphs import recorded_graph
from pruneexp.training import seeding
from pruneexp.training.evaluation import evaluate

CPU = torch.device("cpu")
LEVELS = tuple(Budget("density", tenths / 10) for tenths in range(9, 0, -1))
BATCH = 256


@dataclass(frozen=True)
class Case:
    """A network, the number of images it answers, and the goal: times faster than ``plain``."""

    name: str
    build: Callable[[], nn.Module]
    images: int
    faster: float


CASES = (
    Case("AlexNet, 67 px", partial(AlexNet, num_classes=10, image_size=67), 256, 2.3),
    Case("VGG-16, 32 px", partial(VGG16, num_classes=10, image_size=32), 64, 1.8),
    Case("VGG-16, 64 px", partial(VGG16, num_classes=10, image_size=64), 24, 1.8),
)


@dataclass(frozen=True)
class LayerScores:
    """The per-image losses (layers, levels, images) and the scores, layer by layer and level by level."""

    losses: Tensor
    scores: list[Score]


def plain(network: nn.Module, source: ResidentSource, fit: Callable[[Tensor], Tensor]) -> LayerScores:
    """One whole evaluation per layer and level; a hook collects the logits for the comparison."""
    heard: list[Tensor] = []
    scores: list[Score] = []
    listener = network.register_forward_hook(lambda _module, _inputs, logits: heard.append(logits))
    for name, weight in weights(network).items():
        dense = weight.detach().clone()
        for budget in LEVELS:
            select({name: weight}, budget, Magnitude(), PerLayer(), generator=draws()).masks.apply_(network)
            scores.append(evaluate(network, source, device=CPU, adapt=fit, batch_size=BATCH))
            with torch.no_grad():
                weight.copy_(dense)
    listener.remove()
    logits = torch.cat(heard).reshape(-1, source.labels.numel(), heard[0].shape[1])
    losses = [cross_entropy(each, source.labels, reduction="none") for each in logits]
    return LayerScores(torch.stack(losses).reshape(-1, len(LEVELS), source.labels.numel()), scores)


def scanned(network: nn.Module, source: ResidentSource, fit: Callable[[Tensor], Tensor]) -> LayerScores:
    outcomes = scan(
        network, groups(network), LEVELS, Magnitude(), source,
        generator=draws(), device=CPU, adapt=fit, batch_size=BATCH,
    )  # fmt: skip
    assert outcomes.plain == ()
    layers, levels, _ = outcomes.loss.shape
    return LayerScores(
        outcomes.loss,
        [
            score_of(CLASSIFICATION, outcomes.answers(layer, level))
            for layer in range(layers)
            for level in range(levels)
        ],
    )


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def check(ours: LayerScores, theirs: LayerScores) -> None:
    """The same answers: losses bit for bit, accuracies as numbers."""
    assert torch.equal(ours.losses.view(torch.int32), theirs.losses.view(torch.int32))
    accuracies = [[score.metrics for score in found.scores] for found in (ours, theirs)]
    assert accuracies[0] == accuracies[1]


def compare(case: Case, whole: ResidentSource, rounds: int) -> bool:
    """Print one network's lines; return whether the goal holds."""
    source = ResidentSource(whole.images[: case.images], whole.labels[: case.images], whole.normalisation)
    with seeding.stream(0, "init"):
        network = case.build()
    fit = partial(adapt, input_shape=input_shape_of(network, (1, 28, 28)))
    seconds: dict[str, list[float]] = {"plain": [], "scan": []}
    for _ in range(rounds):
        theirs = timed(partial(plain, network, source, fit), seconds["plain"])
        check(timed(partial(scanned, network, source, fit), seconds["scan"]), theirs)
    ratio = statistics.median(a / b for a, b in zip(seconds["plain"], seconds["scan"], strict=True))
    medians = ", ".join(f"{name} {statistics.median(taken):.1f} s" for name, taken in seconds.items())
    answers = f"{len(groups(network))} layers x {len(LEVELS)} levels x {case.images} images"
    print(f"{case.name}, {answers}: {medians}; every loss the same bit for bit")
    print(f"  scan is {ratio:.2f} times as fast (goal {case.faster:g})", flush=True)
    return ratio >= case.faster


def timed(run: Callable[[], LayerScores], seconds: list[float]) -> LayerScores:
    begin = time.perf_counter()
    found = run()
    seconds.append(time.perf_counter() - begin)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, {platform.machine()}, {options.rounds} rounds")
    val = mnist5k().val
    assert isinstance(val, ResidentSource)
    recorded_graph(nn.Linear(2, 2), torch.zeros(1, 2))  # imports torch's tracer, which a job has imported by then
    held = [compare(case, val, options.rounds) for case in CASES]
    return 0 if all(held) else 1


if __name__ == "__main__":
    raise SystemExit(main())
