"""How many groups and batches a scan works on at a time, so that what replays need fits in memory. Runs nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Holding:
    """``size`` bytes that the replays of ``groups`` need of each batch."""

    groups: frozenset[int]
    size: int


@dataclass(frozen=True)
class BlockPlan:
    """``turns`` of groups, each served by one pass, and ``plain`` groups, which run in whole passes.

    The scan runs a block of ``batches`` batches and then every level of every group on it: a larger block means fewer
    changes of the weights, but more memory.
    """

    turns: tuple[tuple[int, ...], ...]
    plain: tuple[int, ...]
    batches: int


def plan(holdings: Sequence[Holding], groups: Sequence[int], *, times: float, images: int, memory: int) -> BlockPlan:
    """Fit ``groups`` into ``memory`` bytes, if a batch takes ``images`` bytes and ``times`` those of the ``holdings``.

    Groups that do not all fit together for one batch take turns. Every turn costs one more pass for each batch, but the
    batches stay the same, and with them every bit of the result. A group that does not fit alone is plain.
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
    """Bytes that these groups need together; groups share what several of them need."""
    return sum(holding.size for holding in holdings if not holding.groups.isdisjoint(groups))
