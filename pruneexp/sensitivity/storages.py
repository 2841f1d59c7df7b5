"""Memory that tensors lie in: storages known by number, places in them, and contents kept as they were once read.

Knows no operations and no networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from pruneexp.sensitivity.tape import NONE


class Geometry(NamedTuple):
    """Where in its storage a tensor lies; ``offset`` and ``stride`` in elements."""

    dtype: torch.dtype
    size: torch.Size
    stride: tuple[int, ...]
    offset: int


class StorageView(NamedTuple):
    """A tensor: its place in a storage that had been written to ``version`` times."""

    storage: int
    version: int
    geometry: Geometry


@dataclass(frozen=True)
class Holding:
    """Bytes that are kept because these groups need them."""

    groups: frozenset[int]
    size: int


def geometry_of(tensor: Tensor) -> Geometry:
    return Geometry(tensor.dtype, tensor.shape, tensor.stride(), int(tensor.storage_offset()))


def tensor_at(storage: torch.UntypedStorage, geometry: Geometry) -> Tensor:
    """The tensor at a place of a storage."""
    empty = torch.empty(0, dtype=geometry.dtype, device=storage.device)
    return empty.set_(storage, geometry.offset, geometry.size, geometry.stride)


def is_strided(tensor: Tensor) -> bool:
    """Whether a tensor is nothing but a place in a storage: not sparse, quantised, nested, conjugated or a wrapper."""
    return (
        tensor.layout is torch.strided
        and not (tensor.is_quantized or tensor.is_nested or tensor.is_conj() or tensor.is_neg())
        and type(tensor).__torch_dispatch__ is Tensor.__torch_dispatch__
    )


class Storages:
    """Numbers for storages, and how often each was written to.

    A weak reference keeps the address of a storage from being used for another one, but not its memory.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._references: list[StorageWeakRef] = []
        self._versions: list[int] = []

    def number(self, tensor: Tensor) -> int:
        reference = StorageWeakRef(tensor.untyped_storage())
        if reference.cdata not in self._numbers:
            self._numbers[reference.cdata] = len(self._references)
            self._references.append(reference)
            self._versions.append(0)
        return self._numbers[reference.cdata]

    def view(self, tensor: Tensor) -> StorageView:
        number = self.number(tensor)
        return StorageView(number, self._versions[number], geometry_of(tensor))

    def wrote(self, storage: int) -> None:
        self._versions[storage] += 1


class SavedTensors:
    """Tensors as they were when they were read, whatever is written to their storages later.

    Those in ``resident`` storages are there anyway and have no size, unless they must be copied. ``size`` is in bytes.
    """

    def __init__(self, resident: frozenset[int]) -> None:
        self.tensors: dict[StorageView, Tensor] = {}
        self.size = 0
        self._present: dict[int, set[StorageView]] = {}  # views of what a storage holds now
        self._holdings: dict[tuple[int, int], Holding] = {}  # of each storage and version
        self._resident = resident

    def keep(self, view: StorageView, tensor: Tensor, groups: frozenset[int]) -> None:
        if view not in self.tensors:
            self.tensors[view] = tensor if tensor.requires_grad else tensor.detach()  # `tensor.data` may be set later
            self._present.setdefault(view.storage, set()).add(view)
        size = 0 if view.storage in self._resident else tensor.untyped_storage().nbytes()
        self._hold(view, groups, size)

    def preserve(self, storage: int) -> None:
        """Copy what is kept of a storage, because it may be written to from now on."""
        views = self._present.pop(storage, set())
        if views:
            copy = self.tensors[next(iter(views))].untyped_storage().clone()
            for view in views:
                self.tensors[view] = tensor_at(copy, view.geometry)
                self._hold(view, NONE, copy.nbytes())

    def holdings(self) -> tuple[Holding, ...]:
        return tuple(holding for holding in self._holdings.values() if holding.size)

    def _hold(self, view: StorageView, groups: frozenset[int], size: int) -> None:
        before = self._holdings.get((view.storage, view.version), Holding(NONE, 0))
        self._holdings[view.storage, view.version] = Holding(before.groups | groups, max(before.size, size))
        self.size += max(0, size - before.size)
