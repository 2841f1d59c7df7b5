"""Which operations of a forward pass depend on which groups of layers. Plain data: runs nothing and knows no tensors.

A pass is a list of operations on storages, pieces of memory known by number. Dependence goes by storage: an operation
that touches memory which depends on a group depends on it, and so does all that it writes or returns. This may find too
much (a view of other elements), but never too little, also with views and in-place operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

NONE: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Op:
    """Storages that an operation reads, those of them that it writes to, and those of its results, new or old."""

    reads: frozenset[int]
    writes: frozenset[int] = NONE
    gives: frozenset[int] = NONE


class Dependence:
    """The groups that the content of each storage depends on, at one moment of a pass.

    ``sources`` holds, for each storage of weights, the groups that these belong to.
    """

    def __init__(self, sources: Mapping[int, frozenset[int]]) -> None:
        self._groups = dict(sources)

    def on(self, *storages: int) -> frozenset[int]:
        """The groups that any of these storages depends on."""
        return NONE.union(*(self._groups.get(storage, NONE) for storage in storages))

    def frontier(self, reads: Iterable[int]) -> dict[int, frozenset[int]]:
        """The inputs that an operation on these storages takes from outside, each with the groups for which it does.

        These are the groups that the operation depends on but the content of the storage does not.
        """
        reads = tuple(reads)
        foreign = {storage: self.on(*reads) - self.on(storage) for storage in reads}
        return {storage: groups for storage, groups in foreign.items() if groups}

    def follow(self, op: Op) -> frozenset[int]:
        """The groups that this operation depends on; from now on its results and writes depend on them, too."""
        groups = self.on(*op.reads)
        if groups:
            for storage in op.writes | op.gives:
                self._groups[storage] = self.on(storage) | groups
        return groups


def claims(ops: Iterable[Op], sources: Iterable[int]) -> list[frozenset[int]]:
    """For each operation of one group, the inputs from outside that it writes to or returns a view of.

    A replay must give the operation a copy of these, because later replays read the recorded content. ``ops`` are all
    operations that depend on the group, in order; ``sources`` hold its weights.
    """
    own = set(sources)
    found = []
    for op in ops:
        made = op.writes | op.gives
        found.append((made & op.reads) - own)
        own |= made
    return found


def last_uses(ops: Sequence[Op], output: int) -> list[frozenset[int]]:
    """For each operation, the storages that none after it touches; never ``output``, where the pass's result lies."""
    later = {output}
    found = []
    for op in reversed(ops):
        touched = op.reads | op.gives
        found.append(touched - later)
        later |= touched
    return found[::-1]
