"""Sensitivity curves: one per layer, over how much of that layer is pruned away while all others stay dense.

Knows neither how a curve is drawn nor which paper it is compared with.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import pandas as pd

from analysis.records.scan_frames import CONDITIONS, LEVEL
from analysis.statistics import selection
from analysis.statistics.conditions import telling, texts, words
from analysis.statistics.curves import budget_text
from pruneexp.summary.spread import Spread, spread

Panel = Literal["conv", "linear", "other"]


class LevelMark(NamedTuple):
    """One level of one layer: ``pruned`` in percent of its weights, the ``change`` of the metric, and its ``value``.

    ``low`` and ``high`` are the lowest and the highest of several seeds, or the bootstrap interval of a single one,
    which may be absent. ``undefined`` counts the scans in which outputs were not numbers there.
    """

    level: str
    pruned: float
    change: Spread
    low: float | None
    high: float | None
    value: Spread
    undefined: int
    runs: tuple[str, ...]


class LayerCurve(NamedTuple):
    """The curve of one layer, or of one group of coupled layers, which stands with the convolutions if it has one."""

    group: str
    panel: Panel
    marks: tuple[LevelMark, ...]


class Way(NamedTuple):
    """One way of scanning a network, its layers in the network's order.

    ``differing`` says in a few words what tells it from the other ways; nothing where there is no other.
    """

    differing: str
    conditions: tuple[tuple[str, str], ...]
    retrain_epochs: int
    images: tuple[int, ...]
    layers: tuple[LayerCurve, ...]


def ways(rows: pd.DataFrame, metric: str) -> tuple[Way, ...]:
    """Every way in which the rows, of scans of one network and with this metric, were scanned."""
    found = list(selection.groups(rows, CONDITIONS))
    needed = telling([key for key, _ in found], CONDITIONS)
    return tuple(
        Way(
            differing=words(key, needed),
            conditions=texts(key, CONDITIONS),
            retrain_epochs=int(key["retrain_epochs"]),
            images=tuple(sorted({int(number) for number in same["images"]})),
            layers=_layers(same, metric),
        )
        for key, same in found
    )


def varying(rows: pd.DataFrame) -> tuple[str, ...]:
    """What tells the ways of scanning from each other, as conditions to choose by."""
    return telling([key for key, _ in selection.groups(rows, CONDITIONS)], CONDITIONS)


def _layers(rows: pd.DataFrame, metric: str) -> tuple[LayerCurve, ...]:
    placed = [(same["place"].min(), str(key["group"]), str(key["kind"]), same)
              for key, same in selection.groups(rows, ("group", "kind"))]  # fmt: skip
    convolutions, made = ("conv", "mixed"), []
    others: Panel = "linear" if {kind for _, _, kind, _ in placed} <= {"linear", *convolutions} else "other"
    for _, group, kind, same in sorted(placed, key=lambda item: item[:3]):
        marks = [_mark(budget_text(*level.values()), at, metric) for level, at in selection.groups(same, LEVEL)]
        ordered = tuple(sorted(marks, key=lambda mark: (mark.pruned, mark.level)))
        made.append(LayerCurve(group, "conv" if kind in convolutions else others, ordered))
    return tuple(made)


def _mark(level: str, same: pd.DataFrame, metric: str) -> LevelMark:
    change = spread(same[f"change_{metric}"])
    low, high = (change.low, change.high) if change.n > 1 else _interval(same, metric)
    pruned, value = spread(same["pruned"]).mean, spread(same[f"val.{metric}"])
    undefined = int((same["val.undefined"].fillna(0) > 0).sum())
    return LevelMark(level, pruned, change, low, high, value, undefined, tuple(sorted(same["run_id"])))


def _interval(same: pd.DataFrame, metric: str) -> tuple[float | None, float | None]:
    low, high = same[f"{metric}_low"].iloc[0], same[f"{metric}_high"].iloc[0]
    return (None, None) if pd.isna(low) or pd.isna(high) else (float(low), float(high))
