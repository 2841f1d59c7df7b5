"""A sensitivity scan: how much each layer costs when it alone is pruned (Han et al. 2015, Figure 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pruneexp.schema.budgets import Budget, BudgetKind
from pruneexp.schema.codec import unflatten
from pruneexp.schema.metrics import JudgedByMetric, Metric
from pruneexp.schema.points import Score, score


@dataclass(frozen=True, kw_only=True)
class ScanIdentity(JudgedByMetric):
    """All that distinguishes one scan from another; logged as MLflow params of its run.

    ``levels`` is the kind of budget in the grid. The ``..._settings`` are short hashes of the dense network's settings,
    of both penalties, and of all other settings but the seed. Scans that differ in one of them never count as
    repetitions of each other. ``reg_strength`` is the strength of the penalty in training.
    """

    model: str
    data: str
    train: str
    reg: str
    reg_strength: float
    dropout: str
    criterion: str
    seed: int
    levels: BudgetKind
    retrain_epochs: int
    scan_key: str
    dense_key: str
    data_fingerprint: str
    device: str
    dense_settings: str
    scan_settings: str
    reg_settings: str = ""
    task: str | None = None
    metric: Metric | None = None


@dataclass(frozen=True, kw_only=True)
class LayerSensitivity:
    """One layer, or one group of coupled layers, at one level, while all others are dense; scored on val.

    ``group`` is the layer's name, or those of its layers joined by ``+``; ``layers`` are their names; ``kind`` is
    ``conv``, ``linear`` or ``mixed``. ``density`` is the achieved density of the group. The ``bounds``, for the metric
    top1 ``top1_low`` and ``top1_high``, are those of a 95 % interval of its change against the dense network, as
    ``Metric.change`` measures it, by bootstrap over the examples.
    """

    group: str
    layers: tuple[str, ...]
    kind: str
    level: Budget
    weights_total: int
    weights_kept: int
    density: float
    val: Score
    bounds: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A whole scan: ``rows`` in the network's order, mildest level first."""

    identity: ScanIdentity
    dense: Score
    images: int
    rows: tuple[LayerSensitivity, ...]

    @property
    def undefined(self) -> str:
        """The number of images whose logits are not numbers, in words; empty if there are none."""
        found = [score.undefined for score in (self.dense, *(row.val for row in self.rows)) if score.undefined]
        if not found:
            return ""
        passes = f"in {len(found)} of {1 + len(self.rows)} passes"
        return f"not a number on up to {max(found)} of {self.images} {self.identity.example}s, {passes}"


def read_scan(identity: ScanIdentity, table: Mapping[str, Any]) -> Scan:
    """A scan from the record of its stage, or from its file.

    Raises:
        KeyError: a required value is missing, such as one of its primary metric; the message names it.
        TypeError: a value is not of the declared type.
        ValueError: a value cannot be read as the declared type.
    """
    dense, rows = score(table["dense"]), tuple(unflatten(LayerSensitivity, row) for row in table["rows"])
    for name, found in (("dense", dense), *(("val", row.val) for row in rows)):
        if identity.primary.name not in found.metrics:
            raise KeyError(f"{name}.{identity.primary.name}")
    return Scan(identity=identity, dense=dense, images=int(table["images"]), rows=rows)
