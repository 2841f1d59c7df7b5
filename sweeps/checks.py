"""Range checks of a study's options: one sentence with the key, the value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from pruneexp.config.checks import as_typed, ordered
from pruneexp.errors import UserError
from pruneexp.schema import BudgetKind


def whole(key: str, value: int, least: int, most: float = math.inf) -> None:
    """Raise a ``UserError`` unless ``value`` is a whole number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        bound = "" if math.isinf(most) else f", and at most {most:.0f}"
        raise UserError(f"{key}={value}: allowed is a whole number, {least} or more{bound}")


def at_least(key: str, value: float, least: float) -> None:
    """Raise a ``UserError`` unless ``value`` is a finite number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise UserError(f"{key}={value}: allowed is {as_typed(least)} or more")


def within(key: str, value: float, low: float, high: float) -> None:
    """Raise a ``UserError`` unless ``low < value < high``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value < high:
        bound = "" if math.isinf(high) else f" and below {as_typed(high)}"
        raise UserError(f"{key}={value}: allowed is above {as_typed(low)}{bound}")


def one_of(key: str, value: str, allowed: Collection[str]) -> None:
    """Raise a ``UserError`` unless ``value`` is among ``allowed``."""
    if value not in allowed:
        raise UserError(f"{key}={value}: no such choice; there are {', '.join(allowed)}")


def seeds(key: str, values: Sequence[int]) -> None:
    """Raise a ``UserError`` unless ``values`` are one or more different seeds."""
    if not isinstance(values, list | tuple) or not values or len(set(values)) < len(values):
        raise UserError(f"{key}={values}: allowed are one or more seeds, each once, as in {key}=[0,1,2]")
    for value in values:
        whole(key, value, 0, 2**31 - 1)


def groups(key: str, values: Sequence[Sequence[str]]) -> None:
    """Raise a ``UserError`` unless ``values`` are lists of names."""
    if not isinstance(values, list | tuple) or not all(isinstance(group, list | tuple) for group in values):
        raise UserError(f"{key}={values}: allowed are groups of layers, as in {key}=[[conv1,conv2]]")


def levels(key: str, values: Sequence[float], kind: BudgetKind) -> None:
    """Raise a ``UserError`` unless ``values`` are different levels of this kind, mildest or hardest first."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, int | float) for value in values):
        raise UserError(f"{key}={values}: allowed is a list of numbers, such as {key}=[0.5,0.1]")
    ordered(key, values)
    for value in values:
        if not (value >= 0 if kind == "quality" else 0 < value <= 1):
            raise UserError(f"{key} holds {as_typed(value)}: densities lie in (0, 1], qualities are 0 or more")
