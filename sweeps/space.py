"""The levels that a search may choose for each layer, and good first choices; plain numbers, no Optuna.

A *level* is a layer's share: its quality parameter (threshold in standard deviations; more prunes more), its density or
the share of its units (less prunes more). Sets of channels stand in place of layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pruneexp.errors import UserError
from pruneexp.schema import BudgetKind, Scan
from pruneexp.summary.pareto import pareto_front

Levels = dict[str, float]


@dataclass(frozen=True)
class CurvePoint:
    """A point of a layer's sensitivity curve: ``drop`` is the loss of the metric on val with it alone pruned."""

    level: float
    density: float
    drop: float


Curves = Mapping[str, Sequence[CurvePoint]]


@dataclass(frozen=True)
class Space:
    """For each layer the mildest and the hardest level, in the network's order."""

    kind: BudgetKind
    mildest: Mapping[str, float]
    hardest: Mapping[str, float]

    def clipped(self, levels: Mapping[str, float]) -> Levels:
        """The same levels, each within its layer's bounds."""
        ends = {name: sorted((self.mildest[name], self.hardest[name])) for name in self.mildest}
        return {name: min(max(levels[name], low), high) for name, (low, high) in ends.items()}

    def holding(self, choices: Sequence[Levels]) -> Space:
        """The space, wider where one of these choices lies outside."""
        hardest = max if self.kind == "quality" else min
        wider = {name: hardest([level, *(each[name] for each in choices)]) for name, level in self.hardest.items()}
        return Space(self.kind, self.mildest, wider)


def curves_of(scan: Scan) -> Curves:
    """The scan's curves, mildest level first; all layers of a coupled group have the curve of the group."""
    metric, found = scan.identity.primary, dict[str, list[CurvePoint]]()
    for row in scan.rows:
        loss = metric.loss(scan.dense[metric.name], row.val[metric.name])
        for layer in row.layers:
            found.setdefault(layer, []).append(CurvePoint(row.level.value, row.density, loss))
    return found


def bounded(curves: Curves, kind: BudgetKind, cliff: float) -> Space:
    """Layer by layer, from no pruning to the first level at which pruning it alone costs ``cliff`` or more.

    Raises:
        UserError: ``cliff`` is not above 0, or the scan has no layer.
    """
    if not cliff > 0:
        raise UserError(f"study.cliff={cliff:g}: allowed is above 0")
    if not curves:
        raise UserError("the scan has no layer, so there is nothing to search")
    nothing = 0.0 if kind == "quality" else 1.0
    hardest = {name: _first_beyond(steps, cliff) for name, steps in curves.items()}
    return Space(kind, dict.fromkeys(curves, nothing), hardest)


def tolerating(curves: Curves, space: Space, tolerance: float) -> Levels:
    """Every layer at the hardest level that alone costs at most ``tolerance`` (Han et al. 2015, section 3.1).

    The level between two points of a curve is interpolated linearly in the drop.
    """
    return space.clipped({name: _at_drop(steps, tolerance, space.mildest[name]) for name, steps in curves.items()})


def tolerances(count: int, cliff: float) -> tuple[float, ...]:
    """``count`` tolerances in a geometric sequence from a fiftieth of ``cliff`` to ``cliff``."""
    if count == 1:
        return (cliff / 7,)
    return tuple(cliff / 50 * 50 ** (step / (count - 1)) for step in range(count))


def greedy(curves: Curves, space: Space, cliff: float, number: int) -> Levels:
    """The levels of ``tolerating`` for tolerance ``number`` of an infinite sequence.

    The sequence fills the range of tolerances evenly at any length (van der Corput, base 2).
    """
    share, step, rest = 0.0, 0.5, number + 1
    while rest:
        share, step, rest = share + step * (rest % 2), step / 2, rest // 2
    return tolerating(curves, space, cliff / 50 * 50**share)


def even(space: Space, share: float) -> Levels:
    """The same level in every layer: ``share``, in [0, 1], of the way to the hardest level of any layer."""
    if space.kind == "quality":
        return space.clipped(dict.fromkeys(space.mildest, share * max(space.hardest.values())))
    return space.clipped(dict.fromkeys(space.mildest, min(space.hardest.values()) ** share))


def starts(curves: Curves, space: Space, cliff: float, count: int) -> list[Levels]:
    """First choices, mildest first: alternately the same level in every layer (``even``) and ``tolerating``."""
    pairs = (count + 1) // 2
    found: list[Levels] = []
    for index, tolerance in enumerate(tolerances(pairs, cliff) if pairs else ()):
        found += [even(space, (index + 1) / (pairs + 1)), tolerating(curves, space, tolerance)]
    return found[:count]


def _first_beyond(steps: Sequence[CurvePoint], cliff: float) -> float:
    return next((step.level for step in steps if step.drop >= cliff), steps[-1].level)


def _at_drop(steps: Sequence[CurvePoint], tolerance: float, mildest: float) -> float:
    before, lost = mildest, 0.0
    for step in steps:
        worst = max(step.drop, lost)  # a drop that falls again by chance counts as flat
        if worst > tolerance:
            share = (tolerance - lost) / (worst - lost)
            return before + share * (step.level - before)
        before, lost = step.level, worst
    return before


def front(scored: Mapping[int, tuple[float, float]], floor: float, dense: float) -> list[tuple[int, float]]:
    """The Pareto front, as (number, cost), of networks given as (merit, cost) by number; the dense one costs 1.

    Networks below merit ``floor`` are left out. Of those at least as good as ``dense``, only the smallest stays, and of
    several that are equally small and good, only the first.
    """
    alive = {number: score for number, score in scored.items() if score[0] >= floor}
    best = sorted(pareto_front(dict(sorted(alive.items()))))
    free = min((alive[number][1] for number in best if alive[number][0] >= dense), default=1.0)
    return [(number, alive[number][1]) for number in best if alive[number][1] <= free]


def spread_out(front: Sequence[tuple[int, float]], count: int) -> list[int]:
    """``count`` numbers of a front, sorted, spread evenly over the logarithm of the cost, with both ends."""
    ordered = sorted(front, key=lambda pair: math.log(pair[1]))
    if len(ordered) <= count:
        return sorted(number for number, _ in ordered)
    if count == 1:
        return [ordered[len(ordered) // 2][0]]
    low, high = math.log(ordered[0][1]), math.log(ordered[-1][1])
    chosen: list[int] = []
    for step in range(count):
        target = low + (high - low) * step / (count - 1)
        rest = [pair for pair in ordered if pair[0] not in chosen]
        chosen.append(min(rest, key=lambda pair: abs(math.log(pair[1]) - target))[0])
    return sorted(chosen)
