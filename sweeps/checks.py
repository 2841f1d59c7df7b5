"""Range checks of a study's options: one sentence with the key, the value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from pruneexp.config.checks import check_number
from pruneexp.config.checks import levels as ordered_levels
from pruneexp.errors import UserError
from pruneexp.schema import BudgetKind


def whole(key: str, value: int, least: int, most: float = math.inf) -> None:
    """Raise a ``UserError`` unless ``value`` is a whole number from ``least`` to ``most``."""
    check_number(key, value, least, most, whole=True)


def at_least(key: str, value: float, least: float) -> None:
    """Raise a ``UserError`` unless ``value`` is a finite number of at least ``least``."""
    check_number(key, value, least)


def within(key: str, value: float, low: float, high: float) -> None:
    """Raise a ``UserError`` unless ``low < value < high``."""
    check_number(key, value, low, high, open_end="both")


def one_of(key: str, value: str, allowed: Collection[str]) -> None:
    """Raise a ``UserError`` unless ``value`` is among ``allowed``."""
    if value not in allowed:
        raise UserError(f"{key}={value}: no such choice; there are {', '.join(allowed)}")


def seeds(key: str, values: Sequence[int]) -> None:
    """Raise a ``UserError`` unless ``values`` are one or more different seeds."""
    if not isinstance(values, list | tuple) or not values or len(set(values)) < len(values):
        raise UserError(f"{key}={values}: allowed are one or more seeds, each once, as in '{key}=[0,1,2]'")
    for value in values:
        whole(key, value, 0, 2**31 - 1)


def groups(key: str, values: Sequence[Sequence[str]]) -> None:
    """Raise a ``UserError`` unless ``values`` are lists of names."""
    if not isinstance(values, list | tuple) or not all(isinstance(group, list | tuple) for group in values):
        raise UserError(f"{key}={values}: allowed are groups of layers, as in '{key}=[[conv1,conv2]]'")


def levels(key: str, values: Sequence[float], kind: BudgetKind) -> None:
    """Raise a ``UserError`` unless ``values`` are different levels of this kind, mildest or hardest first."""
    if not isinstance(values, list | tuple) or not all(isinstance(value, int | float) for value in values):
        raise UserError(f"{key}={values}: allowed is a list of numbers, such as '{key}=[0.5,0.1]'")
    ordered_levels(key, values, kind)
