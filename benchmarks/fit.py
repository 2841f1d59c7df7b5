"""One epoch of training: ``fit`` against the loops a user would write, on Fashion-MNIST at batch 64 on the CPU.

    python -m benchmarks.fit --data-root /usr/share/datasets/fashion-mnist [--rounds 7] [--threads N]

``user`` is torchvision's data set and transforms, a ``DataLoader`` and masks of ``torch.nn.utils.prune``; ``masked`` is
the same work by ``fit``. Goals: 8 times faster on LeNet-300-100, 2.2 times on LeNet-5. ``bare`` is a mere loop of SGD
over normalised tensors in memory; ``full`` is ``fit`` with masks, L1 and progress. Goal: 1.10 of its time.

All four run in turn in every round, so that other load on the machine affects all of them; a figure is the median over
the rounds, a ratio the median of the rounds' ratios. Two threads that wait for each other on busy cores lose far more
than their share: measure on an idle machine, or with one thread.
"""

from __future__ import annotations

import argparse
import gzip
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from pruneexp.data.fashion_mnist import fashion_mnist
from pruneexp.data.resident import ResidentSource
from pruneexp.models.lenet import LeNet5, LeNet300100
from pruneexp.pruning.layers import prunable, weights
from pruneexp.pruning.masks import MaskSet
from pruneexp.training.events import Listener, unheard
from pruneexp.training.fit import fit
from pruneexp.training.recipe import Recipe
from pruneexp.training.regularizers import L1

BATCH, LR, MOMENTUM, PRUNED = 64, 0.01, 0.9, 0.9
CPU = torch.device("cpu")
Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """A network, the images of its epoch, and the goals: times faster than ``user``, share of ``bare``."""

    name: str
    build: Callable[[], nn.Module]
    images: int
    faster: float
    share: float


CASES = (Case("LeNet-300-100", LeNet300100, 6400, 8.0, 1.10), Case("LeNet-5", LeNet5, 1920, 2.2, 1.10))


def user(case: Case, torchvision_root: str) -> Run:
    """The loop of PyTorch's tutorials on training and on pruning."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.2860,), (0.3530,))])
    dataset = FashionMNIST(torchvision_root, train=True, transform=transform)
    dataset.data, dataset.targets = dataset.data[: case.images], dataset.targets[: case.images]
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True)
    network = case.build()
    for layer in prunable(network):
        prune.l1_unstructured(network.get_submodule(layer), "weight", amount=PRUNED)
    optimizer = torch.optim.SGD(network.parameters(), lr=LR, momentum=MOMENTUM)

    def run() -> float:
        running = 0.0
        for images, labels in loader:
            optimizer.zero_grad()
            loss = cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
            running += loss.item()
        return running

    return run


def bare(case: Case, images: Tensor, labels: Tensor) -> Run:
    """Normalised tensors, shuffled indices, and nothing but the update."""
    network = case.build()
    optimizer = torch.optim.SGD(network.parameters(), lr=LR, momentum=MOMENTUM)

    def run() -> None:
        for chosen in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(network(images[chosen]), labels[chosen]).backward()
            optimizer.step()

    return run


def ours(case: Case, source: ResidentSource, penalty: L1 | None, report: Listener = unheard) -> Run:
    """``fit`` for one epoch, with its set-up and its checks."""
    network = case.build()
    masks = MaskSet({name: w.abs() > w.abs().quantile(PRUNED) for name, w in weights(network).items()})
    recipe = Recipe(epochs=1, batch_size=BATCH, optimizer="sgd", lr=LR, momentum=MOMENTUM)
    return lambda: fit(network, source, recipe, seed=0, edit=masks, penalty=penalty, device=CPU, listen=report)


def measure(runs: dict[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(seconds: dict[str, list[float]], over: str, under: str) -> float:
    """Median over the rounds of the time of ``over`` per time of ``under``."""
    return statistics.median(a / b for a, b in zip(seconds[over], seconds[under], strict=True))


def compare(case: Case, root: Path, torchvision_root: str, rounds: int) -> bool:
    """Print one network's lines; return whether both goals hold."""
    whole = fashion_mnist(str(root)).train
    assert isinstance(whole, ResidentSource)
    source = ResidentSource(whole.images[: case.images], whole.labels[: case.images], whole.normalisation)
    images, labels = next(source.batches(case.images, CPU))
    seen: list[object] = []
    runs = {
        "user": user(case, torchvision_root),
        "masked": ours(case, source, None),
        "bare": bare(case, images, labels),
        "full": ours(case, source, L1(1e-5), seen.append),
    }
    seconds = measure(runs, rounds)
    steps = case.images / BATCH
    medians = ", ".join(f"{name} {statistics.median(s) / steps * 1e3:.2f}" for name, s in seconds.items())
    print(f"{case.name}: {medians} ms/step", flush=True)
    faster, share = ratio(seconds, "user", "masked"), ratio(seconds, "full", "bare")
    print(f"  fit is {faster:.1f} times as fast as the user's loop (goal {case.faster:g})")
    print(f"  fit with masks, L1 and progress takes {share:.2f} of the bare loop's time (goal {case.share:.2f})")
    return faster >= case.faster and share <= case.share


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-root", type=Path, required=True, help="folder with Fashion-MNIST's four files")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, {platform.machine()}, {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        _unpack(options.data_root, Path(folder) / "FashionMNIST" / "raw")
        held = [compare(case, options.data_root, folder, options.rounds) for case in CASES]
    return 0 if all(held) else 1


def _unpack(root: Path, raw: Path) -> None:
    """Put the files into the layout of torchvision's data set."""
    raw.mkdir(parents=True)
    nested = root / "FashionMNIST" / "raw"
    for path in (nested if nested.is_dir() else root).glob("*-ubyte*"):
        unpack = gzip.open if path.suffix == ".gz" else open
        with unpack(path, "rb") as packed, (raw / path.name.removesuffix(".gz")).open("wb") as plain:
            shutil.copyfileobj(packed, plain)


if __name__ == "__main__":
    raise SystemExit(main())
