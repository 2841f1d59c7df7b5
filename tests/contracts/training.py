"""A small network and a few images for tests of training, and ways to compare what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
