"""Inputs and targets in memory as they are, and a data set made of them: for data that are no images and no text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pruneexp.data.dataset import Dataset, visiting_order
from pruneexp.data.fingerprint import fingerprint

#: Inputs (N, ...) and their targets (N, ...), on the CPU.
Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class TensorSource:
    """A ``Source`` over ``inputs`` (N, ...) and ``targets`` (N, ...), which keeps a copy on each requested device.

    Nothing is augmented.

    Raises:
        ValueError: there are more of one than of the other.
    """

    inputs: Tensor
    targets: Tensor
    _places: dict[torch.device, Pair] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} inputs have {len(self.targets)} targets; each needs one")

    @property
    def labels(self) -> Tensor:
        """The targets, as a classifier asks for them."""
        return self.targets

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[Pair]:
        """As ``Source.batches``."""
        indices = visiting_order(order, batch_size, len(self))
        return self._select(indices.to(device), batch_size, device)

    def _select(self, indices: Tensor, batch_size: int, device: torch.device) -> Iterator[Pair]:
        if len(indices) == 0:
            return
        if device not in self._places:
            self._places[device] = self.inputs.to(device), self.targets.to(device)
        inputs, targets = self._places[device]
        for chosen in indices.split(batch_size):
            yield inputs.index_select(0, chosen), targets.index_select(0, chosen)


def tensor_dataset(name: str, train: Pair, val: Pair, test: Pair, classes: int | None = None) -> Dataset:
    """A data set of three pairs of inputs and targets; ``classes`` is as in ``Dataset``.

    Raises:
        ValueError: a pair has more inputs than targets, or fewer.
    """
    pairs = {"train": train, "val": val, "test": test}
    arrays = {f"{split}.inputs": inputs.numpy() for split, (inputs, _) in pairs.items()}
    arrays |= {f"{split}.targets": targets.numpy() for split, (_, targets) in pairs.items()}
    return Dataset(
        name=name,
        classes=classes,
        shape=tuple(train[0].shape[1:]),
        train=TensorSource(*train),
        val=TensorSource(*val),
        test=TensorSource(*test),
        fingerprint=fingerprint({"name": name, "classes": classes}, arrays),
    )
