"""Repetitions over seeds: which points differ in the seed alone, and which of them make a curve.

Knows the vocabulary of points; knows neither where they are recorded nor what is shown of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pruneexp.schema import REPEATED, PointIdentity, flat_names, flatten

if TYPE_CHECKING:
    from pruneexp.schema.columns import LoggedPoint

_BUDGET = ("budget.kind", "budget.value")
#: What tells two curves apart that are no repetitions of each other: names of a flat identity.
SETTINGS = tuple(name for name in flat_names(PointIdentity) if name not in (*REPEATED, *_BUDGET))


def curves(points: Iterable[LoggedPoint]) -> list[list[list[LoggedPoint]]]:
    """Points by curve and then by budget, mildest first; those of one budget differ in the seed alone.

    A seed that was recorded twice counts once, as it was recorded last. Trials of searches repeat nothing and are left
    out.
    """
    found: dict[tuple[Any, ...], dict[tuple[str, float], dict[int, LoggedPoint]]] = defaultdict(dict)
    for logged in sorted(points, key=lambda logged: (logged.started, logged.run_id)):
        identity = logged.point.identity
        if not identity.study:
            flat = flatten(identity)
            rows = found[tuple(map(flat.get, SETTINGS))]
            rows.setdefault(_mildness(identity), {})[identity.seed] = logged
    return [[list(row.values()) for _, row in sorted(rows.items())] for rows in found.values()]


def _mildness(identity: PointIdentity) -> tuple[str, float]:
    """By kind of budget, then mildest first: the highest density, the lowest quality parameter."""
    budget = identity.budget
    return budget.kind, budget.severity
