"""Patterns that guide designs: what pruning left of each stage of a network, as plain values and as a file.

A stage is the convolutions whose maps are of one size. Knows neither networks nor records, and loads no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pruneexp.errors import UserError, cause
from pruneexp.schema import Budget

_WRITTEN_BY = "`python -m pruneexp.export POINT --pattern FILE`"


class StageShares(NamedTuple):
    """The share of its channels that a stage keeps, and that of its weights at each place of its kernels, by size."""

    channels: float
    kernels: Mapping[str, Sequence[Sequence[float]]]


def budget_key(budget: Budget) -> str:
    """Under which name a pattern has the stages of this budget: ``units=0.5``."""
    return f"{budget.kind}={budget.value:g}"


def map_size(flop: float, weights: int) -> int:
    """Pixels of the maps that a convolution gives: each weight takes part in one product for each."""
    return round(flop / (2 * weights))


def read_guide(path: str | None) -> dict[str, Any]:
    """What a file holds; whether it is a pattern, ``stages_of`` says.

    Raises:
        UserError: no file is named, or it cannot be read.
    """
    key = "criterion.allocation.pattern"
    if path is None:
        raise UserError(f"{key} is missing: name the file of a pattern, which {_WRITTEN_BY} writes")
    try:
        found = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{key}={path} cannot be read: {cause(error)}") from error
    if not isinstance(found, dict):
        raise UserError(f"{key}={path} is no pattern: {_WRITTEN_BY} writes one")
    return found


def stages_of(pattern: Mapping[str, Any]) -> dict[str, list[StageShares]]:
    """The stages of each budget of a pattern, in the order of the network.

    Raises:
        UserError: it is none.
    """
    try:
        found = {
            key: [StageShares(_share(stage["channels"]), _kernels(stage["kernels"])) for stage in each["stages"]]
            for key, each in pattern["budgets"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"this is no pattern as {_WRITTEN_BY} writes one: {cause(error)}") from error
    return found


def _kernels(node: Mapping[str, Any]) -> dict[str, list[list[float]]]:
    return {size: [[_share(value) for value in row] for row in rows] for size, rows in node.items()}


def _share(value: Any) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is no share from 0 to 1")
    return float(value)
