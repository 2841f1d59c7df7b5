"""How much of the work is done at once, so that what is kept fits in memory. Plain numbers: runs nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pruneexp.sensitivity.storages import Holding


@dataclass(frozen=True)
class BlockPlan:
    """Groups that are recorded in one pass, turn by turn; groups that are not, for which whole passes are run.

    A block of ``batches`` is recorded, then every level of every group is run on it: weights are changed as often for
    one batch as for many, but what is kept grows with them.
    """

    turns: tuple[tuple[int, ...], ...]
    plain: tuple[int, ...]
    batches: int


def plan(holdings: Sequence[Holding], groups: Sequence[int], *, times: float, images: int, memory: int) -> BlockPlan:
    """Fit ``groups`` into ``memory`` bytes, if a batch takes ``images`` bytes and ``times`` those of the ``holdings``.

    Where the groups do not all fit for one batch, they take turns: every turn costs one pass more for each batch, but
    the batches stay as they are, and with them every bit of the result. A group that does not fit alone is plain.
    """
    turns: list[list[int]] = []
    for group in groups:
        if times * _size(holdings, [group]) > memory:
            continue
        if turns and times * _size(holdings, [*turns[-1], group]) <= memory:
            turns[-1].append(group)
        else:
            turns.append([group])
    plain = frozenset(groups).difference(*turns)
    size = images + (times * _size(holdings, turns[0]) if turns else 0)
    batches = 1 if len(turns) > 1 else max(1, int(memory // max(1, size)))
    return BlockPlan(tuple(map(tuple, turns)), tuple(sorted(plain)), batches)


def _size(holdings: Sequence[Holding], groups: Collection[int]) -> int:
    """Bytes that any of these groups needs; what several need is kept once."""
    return sum(holding.size for holding in holdings if not holding.groups.isdisjoint(groups))
