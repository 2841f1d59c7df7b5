"""The pattern of recorded points: what pruning left of each stage of their network, from the rows of their layers.

Loads no torch: a record has all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any, NamedTuple

from pruneexp.errors import UserError
from pruneexp.export.lookup import RecordedPoint
from pruneexp.pruning.guides import budget_key, map_size
from pruneexp.schema import LayerRow

#: What points have in common whose pattern is a mean over seeds.
_ALIKE = (
    *("model", "data", "criterion", "schedule", "reg", "reg_strength", "train_epochs", "study"),
    *("dense_settings", "prune_settings", "reg_settings", "schedule_settings"),
)


class _Stage(NamedTuple):
    pixels: int
    layers: list[str]
    channels: float
    kernels: dict[str, list[list[float]]]


def pattern_of(points: Sequence[RecordedPoint]) -> dict[str, Any]:
    """The stages of each budget, means over the points of that budget; points of one mask count once.

    A stage is the convolutions whose maps are of one size. Its share of channels is the mean over its layers of those
    that are alive, its share at a place of the kernels is that of all kernels of one size.

    Raises:
        UserError: points differ in more than budget and seed, or their network has no convolution.
    """
    _check_alike(points)
    of, found = points[0].identity, dict[str, dict[str, RecordedPoint]]()
    for point in points:
        found.setdefault(budget_key(point.identity.budget), {})[point.identity.mask_key] = point
    budgets = {}
    for key, same in found.items():
        every = [_stages(point.layers()) for point in same.values()]
        if not every[0]:
            raise UserError(f"--pattern: {of.model} has no convolutions, of which a pattern is")
        stages = [_mean(of_stage)._asdict() for of_stage in zip(*every, strict=True)]
        budgets[key] = {"points": [point.identity.point_key for point in same.values()], "stages": stages}
    return {"source": f"{of.model}/{of.data}", "budgets": budgets}


def _check_alike(points: Sequence[RecordedPoint]) -> None:
    values = {name: {str(getattr(point.identity, name)) for point in points} for name in _ALIKE}
    if differing := {name: found for name, found in values.items() if len(found) > 1}:
        told = ", ".join(f"{name} ({' | '.join(sorted(found))})" for name, found in differing.items())
        raise UserError(f"--pattern is a mean over seeds, and these points differ in {told}: give more conditions")


def _stages(rows: Sequence[LayerRow]) -> list[_Stage]:
    stages: dict[int, list[LayerRow]] = {}
    for row in rows:
        if row.kind == "conv" and row.flop:
            stages.setdefault(map_size(row.flop, row.weights_total), []).append(row)
    return [
        _Stage(
            pixels,
            [row.layer for row in same],
            fmean(1.0 - row.neurons_dead / row.neurons_total for row in same),
            _kernels(same),
        )
        for pixels, same in stages.items()
    ]


def _kernels(rows: Sequence[LayerRow]) -> dict[str, list[list[float]]]:
    """By size of kernels the share that is kept at each place, over all kernels of that size."""
    kept: dict[str, list[tuple[list[list[int]], int]]] = {}
    for row in rows:
        counts = _counts(row)
        places = len(counts) * len(counts[0])
        kept.setdefault(f"{len(counts)}x{len(counts[0])}", []).append((counts, row.weights_total // places))
    return {size: [[sum(layer[y][x] for layer, _ in same) / sum(kernels for _, kernels in same)
                    for x in range(len(same[0][0][0]))] for y in range(len(same[0][0]))]
            for size, same in kept.items()}  # fmt: skip


def _counts(row: LayerRow) -> list[list[int]]:
    """Kept weights at each place; a kernel of one weight has one."""
    if row.kernel is None:
        return [[row.weights_kept]]
    return [[int(count) for count in line.split()] for line in row.kernel.split(";")]


def _mean(same: Sequence[_Stage]) -> _Stage:
    """One stage over points; shares with six digits."""
    first = same[0]
    kernels = {size: [[round(fmean(stage.kernels[size][y][x] for stage in same), 6) for x in range(len(row))]
                      for y, row in enumerate(rows)] for size, rows in first.kernels.items()}  # fmt: skip
    return first._replace(channels=round(fmean(stage.channels for stage in same), 6), kernels=kernels)
