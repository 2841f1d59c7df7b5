"""Labels of channels, and what is known of them: which are the same channel, which must stay. Knows no operations."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor


class OfParameter(tuple[Tensor, ...]):
    """The labels of a parameter or buffer, one tensor in its shape for each of its dimensions."""

    __slots__ = ()


#: Of an activation one label per number, of several results a list; None where a number belongs to no channel.
Labels = Tensor | OfParameter | list["Labels"] | None


class Atoms:
    """Indices of tensors by number, and which of them go together.

    ``produced`` are those of outputs of layers, ``read`` those of inputs that weights of their own multiply, and
    ``attended`` those of activations that others multiply. ``uncut`` are results whose labels may differ along several
    dimensions.
    """

    def __init__(self, uncut: Collection[object] = ()) -> None:
        self.uncut = uncut
        self._count = 0
        self._pairs: list[Tensor] = []
        self._holders: dict[str, Tensor] = {}
        self.produced: list[Tensor] = []
        self.read: list[Tensor] = []
        self.attended: list[Tensor] = []

    def fresh(self, count: int) -> Tensor:
        """Atoms that belong to nothing yet."""
        self._count += count
        return torch.arange(self._count - count, self._count)

    def holder(self, reason: str) -> Tensor:
        """The atom that what must stay is joined with; zero dimensions."""
        if reason not in self._holders:
            self._holders[reason] = self.fresh(1)[0]
        return self._holders[reason]

    def join(self, one: Tensor, other: Tensor) -> None:
        """One goes where the other goes, number by number; the shapes are broadcast."""
        first, second = torch.broadcast_tensors(one, other)
        still = [max(abs(a), abs(b)) == 0 for a, b in zip(first.stride(), second.stride(), strict=True)]
        once = tuple(slice(0, 1) if each else slice(None) for each in still)
        self._pairs.append(torch.stack([first[once].reshape(-1), second[once].reshape(-1)]))

    def hold(self, labels: Labels, reason: str) -> None:
        """None of these channels may go."""
        if isinstance(labels, Tensor):
            self.join(labels, self.holder(reason))
        elif labels is not None:
            for each in labels:
                self.hold(each, reason)

    def roots(self) -> Tensor:
        """The least atom that each goes together with."""
        root = torch.arange(self._count)
        first, second = torch.cat(self._pairs, dim=1)
        while True:
            least = torch.minimum(root[first], root[second])
            moved = root.scatter_reduce(0, root[first], least, "amin").scatter_reduce(0, root[second], least, "amin")
            moved = moved[moved]
            if torch.equal(moved, root):
                return root
            root = moved

    def uses(self) -> tuple[Tensor, Tensor, Tensor]:
        """Which atoms are produced, which are read, and which are attended."""
        produced, read, attended = torch.zeros(3, self._count, dtype=torch.bool)
        for flags, given in ((produced, self.produced), (read, self.read), (attended, self.attended)):
            for atoms in given:
                flags[atoms] = True
        return produced, read, attended

    def reasons(self, roots: Tensor) -> dict[int, str]:
        """Why what goes together with these roots must stay; the first reason of several, normalisations before all."""
        found: dict[int, str] = {}
        for reason, atom in sorted(self._holders.items(), key=lambda holder: "Norm" not in holder[0]):
            found.setdefault(int(roots[atom]), reason)
        return found


def varies(labels: Tensor, dim: int) -> bool:
    """Whether labels differ along a dimension."""
    return labels.stride(dim) != 0 and bool((labels != labels.narrow(dim, 0, 1)).any())


def varying(labels: Tensor) -> list[int]:
    """The dimensions along which labels differ."""
    return [dim for dim in range(labels.ndim) if labels.shape[dim] > 1 and varies(labels, dim)]


def expanded(labels: Tensor, shape: Sequence[int]) -> Tensor:
    """Labels along all of a shape."""
    return labels.expand(tuple(shape))


def along(labels: Tensor, dim: int) -> Tensor:
    """The labels at the first index of every dimension but this one, flat."""
    place = tuple(slice(None) if each == dim % labels.ndim else 0 for each in range(labels.ndim))
    return labels[place]


def placed(labels: Tensor, dim: int, shape: Sequence[int]) -> Tensor:
    """Flat labels along one dimension of a shape."""
    return labels.view(*(-1 if each == dim % len(shape) else 1 for each in range(len(shape)))).expand(tuple(shape))
