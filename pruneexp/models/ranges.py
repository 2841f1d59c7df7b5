"""Range checks of constructor arguments, whose messages name the argument: a forward pass would not."""

from __future__ import annotations


def at_least(name: str, value: int, least: int) -> None:
    """Raise a ``ValueError`` that names the argument, its value and its range, unless ``value >= least``."""
    if value < least:
        raise ValueError(f"{name} is {value}, must be at least {least}")


def drop_rate(name: str, value: float) -> None:
    """Raise a ``ValueError`` unless ``value`` is a share of units that dropout may drop: 0 <= value < 1."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name} is {value}, must be in [0, 1)")
