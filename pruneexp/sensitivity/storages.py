"""Memory that tensors lie in: storages by number, the geometry of tensors in them, and saved contents.

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
    """Where in its storage a tensor lies; ``offset`` and ``stride`` count elements."""

    dtype: torch.dtype
    size: torch.Size
    stride: tuple[int, ...]
    offset: int


class StorageView(NamedTuple):
    """A tensor: its geometry in a storage to which operations had written ``version`` times."""

    storage: int
    version: int
    geometry: Geometry


@dataclass(frozen=True)
class Holding:
    """Bytes of one saved storage, and the groups that need it."""

    groups: frozenset[int]
    size: int


def geometry_of(tensor: Tensor) -> Geometry:
    """The geometry of a tensor in its storage."""
    return Geometry(tensor.dtype, tensor.shape, tensor.stride(), int(tensor.storage_offset()))


def tensor_at(storage: torch.UntypedStorage, geometry: Geometry) -> Tensor:
    """The tensor of this geometry in a storage."""
    empty = torch.empty(0, dtype=geometry.dtype, device=storage.device)
    return empty.set_(storage, geometry.offset, geometry.size, geometry.stride)


def is_strided(tensor: Tensor) -> bool:
    """Whether a tensor is plain strided memory: not sparse, quantised, nested, conjugated, negated or a wrapper."""
    return (
        tensor.layout is torch.strided
        and not (tensor.is_quantized or tensor.is_nested or tensor.is_conj() or tensor.is_neg())
        and type(tensor).__torch_dispatch__ is Tensor.__torch_dispatch__
    )


class Storages:
    """Numbers the storages of a pass, and counts the writes to each.

    A weak reference prevents the reuse of a storage's address, and still lets its memory go.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._references: list[StorageWeakRef] = []
        self._versions: list[int] = []

    def number(self, tensor: Tensor) -> int:
        """The number of a tensor's storage, a new one for a new storage."""
        reference = StorageWeakRef(tensor.untyped_storage())
        if reference.cdata not in self._numbers:
            self._numbers[reference.cdata] = len(self._references)
            self._references.append(reference)
            self._versions.append(0)
        return self._numbers[reference.cdata]

    def view(self, tensor: Tensor) -> StorageView:
        """The view of a tensor in the present version of its storage."""
        number = self.number(tensor)
        return StorageView(number, self._versions[number], geometry_of(tensor))

    def wrote(self, storage: int) -> None:
        """Count a write to a storage."""
        self._versions[storage] += 1


class SavedTensors:
    """Tensors with the values that an operation read; a storage is copied before an operation writes to it.

    Tensors in ``resident`` storages are in memory anyway and have size 0 unless they are copied. ``size`` is in bytes.
    """

    def __init__(self, resident: frozenset[int]) -> None:
        self.tensors: dict[StorageView, Tensor] = {}
        self.size = 0
        self._present: dict[int, set[StorageView]] = {}  # views of what a storage holds now
        self._holdings: dict[tuple[int, int], Holding] = {}  # of each storage and version
        self._resident = resident

    def keep(self, view: StorageView, tensor: Tensor, groups: frozenset[int]) -> None:
        """Save a tensor for these groups."""
        if view not in self.tensors:
            self.tensors[view] = tensor if tensor.requires_grad else tensor.detach()  # `tensor.data` may be set later
            self._present.setdefault(view.storage, set()).add(view)
        size = 0 if view.storage in self._resident else tensor.untyped_storage().nbytes()
        self._hold(view, groups, size)

    def preserve(self, storage: int) -> None:
        """Copy the saved tensors of a storage, because operations may write to it from now on."""
        views = self._present.pop(storage, set())
        if views:
            copy = self.tensors[next(iter(views))].untyped_storage().clone()
            for view in views:
                self.tensors[view] = tensor_at(copy, view.geometry)
                self._hold(view, NONE, copy.nbytes())

    def holdings(self) -> tuple[Holding, ...]:
        """The saved storages that take memory of their own."""
        return tuple(holding for holding in self._holdings.values() if holding.size)

    def _hold(self, view: StorageView, groups: frozenset[int], size: int) -> None:
        before = self._holdings.get((view.storage, view.version), Holding(NONE, 0))
        self._holdings[view.storage, view.version] = Holding(before.groups | groups, max(before.size, size))
        self.size += max(0, size - before.size)
