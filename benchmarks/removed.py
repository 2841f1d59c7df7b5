"""Retraining at the size that masks leave: ``train.trainer=removed`` against ``single``, one thread, on a CPU.

    python -m benchmarks.removed [--rounds 3] [--share 0.5]

The small VGG and ResNet-20 at 14 px and LeNet-5 at 28 px, batch 64, half of the channels of each layer kept, as
``sweeps/rethinking_embedded.yaml`` has them. Weights are random and the data are noise, which changes no time; 60
batches a training, of which the making of the small network is a part. Both run in turn in every round; a figure is the
median over the rounds, a ratio the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import nn

from pruneexp.models.lenet import LeNet5
from pruneexp.models.resnet_cifar import CifarResNet
from pruneexp.models.vgg_cifar import CifarVGG
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import Budget
from pruneexp.training import seeding
from pruneexp.training.recipe import Recipe
from pruneexp.training.trainer import SharedBatches, Trainer, TrainWork
from pruneexp.training.trainers.removed import Removed
from pruneexp.training.trainers.single import Single
from tests.contracts.channels import cut
from tests.contracts.training import CPU, Tensors

BATCHES = 60
NETWORKS: Mapping[str, tuple[Callable[[], nn.Module], int]] = {
    "vgg_small": (lambda: CifarVGG(10, 1, 14, [[32], [64], [128]]), 14),
    "resnet20": (lambda: CifarResNet(10, 1, 14, depth=20), 14),
    "lenet5": (LeNet5, 28),
}


def seconds(trainer: Trainer, network: nn.Module, masks: MaskSet, images: Tensors) -> float:
    work = TrainWork(
        network=copy.deepcopy(network), recipe=Recipe(epochs=1, batch_size=64, optimizer="sgd", lr=0.01), edit=masks
    )
    begin = time.perf_counter()
    trainer.train([work], SharedBatches(data=images, seed=0, device=CPU), None)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.5, help="of the channels that stay")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread")
    for name, (build, size) in NETWORKS.items():
        with seeding.stream(0, "init"):
            network = build()
        draws = seeding.generator(0, "images")
        count = BATCHES * 64
        images = Tensors(
            torch.randn(count, 1, size, size, generator=draws), torch.randint(10, (count,), generator=draws)
        )
        masks = cut(network, (1, size, size), Budget("units", given.share)).masks
        rounds = [
            [seconds(trainer, network, masks, images) for trainer in (Single(), Removed())] for _ in range(given.rounds)
        ]
        single, removed = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(of[0] / of[1] for of in rounds)
        steps = f"single {1e3 * single / BATCHES:.1f} ms a step, removed {1e3 * removed / BATCHES:.1f}"
        print(f"{name}: {steps}: {ratio:.2f}x")


if __name__ == "__main__":
    main()
