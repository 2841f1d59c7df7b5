"""A small network and a few images for tests of training, and ways to compare what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pruneexp.pruning.masks import MaskSet
from pruneexp.training import seeding
from pruneexp.training.recipe import Recipe

CPU = torch.device("cpu")
SGD = Recipe(epochs=2, batch_size=8, optimizer="sgd", lr=0.1)


@dataclass(frozen=True)
class Tensors:
    """Images as they are, in the order asked for; noise added where augmentation is on."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in (torch.arange(len(self)) if order is None else order).split(batch_size):
            images = self.images[chosen]
            if augment is not None:
                images = images + 0.1 * torch.randn(images.shape, generator=augment)
            yield images, self.labels[chosen]


class Killed(Exception):
    pass


@dataclass
class Memory:
    """A checkpoint that saves after step ``save_after`` and dies after step ``die_after``."""

    save_after: int
    die_after: int
    steps: int = 0
    kept: list[tuple[dict[str, Tensor], str]] = field(default_factory=list)

    def due(self) -> bool:
        self.steps += 1
        if self.steps > self.die_after:
            raise Killed
        return self.steps == self.save_after

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        return (self.kept[-1][0], json.loads(self.kept[-1][1])) if self.kept else None

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        assert all(tensor.is_contiguous() and tensor.device == CPU for tensor in tensors.values())
        self.kept.append(({name: tensor.clone() for name, tensor in tensors.items()}, json.dumps(state)))


def digits(count: int = 44) -> Tensors:
    generator = torch.Generator().manual_seed(1)
    return Tensors(torch.randn(count, 1, 6, 6, generator=generator), torch.randint(3, (count,), generator=generator))


def network(dropout: float = 0.0, seed: int = 0) -> nn.Sequential:
    with seeding.stream(seed, "init"):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Dropout(dropout),
            nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3),
        )  # fmt: skip


def weight(net: nn.Module, name: str) -> Tensor:
    return net.get_parameter(f"{name}.weight").detach()


def half(net: nn.Module) -> MaskSet:
    generator = torch.Generator().manual_seed(2)
    shapes = {name: weight(net, name).shape for name in ("0", "3", "6", "8")}
    return MaskSet({name: torch.rand(shape, generator=generator) < 0.5 for name, shape in shapes.items()})


def values(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
