"""The vocabulary of records: what a trade-off point is, and how it is written and read back.

Knows neither torch nor MLflow, so that a reader of records needs neither. Units, everywhere: accuracies are percent
(93.6 means 93.6 %), densities and shares are fractions in [0, 1], sizes are bytes, times are seconds, and one
multiply-add is two FLOP.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

BudgetKind = Literal["density", "quality"]

#: MLflow tags. Runs of this project carry ``KIND``; everything else in a tracking store is left alone.
KIND = "pruneexp.kind"  # "curve" or "point"
CURVE_KEY = "pruneexp.curve_key"
POINT_KEY = "pruneexp.point_key"
COLLAPSE = "pruneexp.collapse"  # comma-separated layers that were kept from losing their last weight
DENSITY_MISSED = "pruneexp.density_missed"  # "true" where the achieved density is not the asked one
FAILURE = "pruneexp.failure"  # why a FAILED run failed, in one sentence
SCHEMA = "pruneexp.schema"  # version of this vocabulary
SCHEMA_VERSION = "1"

#: Artefacts of a point run and of a curve run.
LAYERS_FILE = "layers.json"
CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"


@dataclass(frozen=True)
class Budget:
    """How much is to be left: a density in (0, 1], or a quality ``q >= 0`` (threshold = q x std of the layer)."""

    kind: BudgetKind
    value: float


@dataclass(frozen=True, kw_only=True)
class PointIdentity:
    """Everything that tells one trade-off point from another; logged as MLflow params on the point itself.

    Labels are what a person chose; each ``..._settings`` is a short hash of what the labels stand for, in full: of the
    dense network, of pruning and retraining it, of the schedule, of the mode. Points that differ in one of them are
    never taken for repetitions of each other.
    """

    model: str
    data: str
    train: str
    reg: str
    reg_strength: float
    dropout: str
    criterion: str
    schedule: str
    retrain_scope: str
    mode: str
    seed: int
    budget: Budget
    curve_key: str
    point_key: str
    dense_key: str
    mask_key: str
    final_key: str
    data_fingerprint: str
    device: str
    precision: str
    reg_retrain_strength: float = 0.0
    dense_settings: str = ""
    prune_settings: str = ""
    schedule_settings: str = ""
    mode_settings: str = ""
    prunable: str = "conv,linear"
    batchnorm: str = "as is"
    train_epochs: int = 0
    retrain_epochs: int = 0
    retrain_lr_factor: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Score:
    """Quality of one network on one split. ``top5`` is absent where a data set has five classes or fewer."""

    loss: float
    top1: float
    top5: float | None = None


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One split at the three moments of a point; ``before`` retraining is absent for networks trained from scratch."""

    dense: Score
    after: Score
    before: Score | None = None


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Work spent on one kind of stage. ``cached`` counts the stages of that kind that came from the store."""

    epochs: float = 0.0
    flop: float = 0.0
    seconds: float = 0.0
    stages: int = 0
    cached: int = 0


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Compute behind a point, by kind of stage; what came from the store is included with its original cost."""

    dense: Effort = Effort()
    prune: Effort = Effort()
    retrain: Effort = Effort()
    scratch: Effort = Effort()


@dataclass(frozen=True, kw_only=True)
class PointResult:
    """The numbers of one trade-off point; logged as MLflow metrics.

    ``density`` is over all prunable weights of the network, ``density_scope`` over those the criterion may touch
    (the two differ for conv-only pruning), ``density_effective`` after dead neurons and their connections are removed.
    """

    density_asked: float | None = None
    density: float
    density_scope: float
    density_effective: float
    weights_total: int
    weights_kept: int
    val: Scores
    test: Scores
    flop_dense: float
    flop_weights: float
    flop_effective: float
    activation_share: float
    neurons_total: int
    neurons_dead: int
    bytes_dense: int
    bytes_sparse: int
    ledger: Ledger = Ledger()


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One prunable layer of one point: a row of Han et al. 2015, Tables 2 to 5.

    ``flop`` is the dense cost of the layer for one image; ``flop_share`` is ``density * activation_share`` of the
    layer's input. ``activation_share`` is the share of non-zero outputs of the layer, after the non-linearity and
    pooling that follow it.
    """

    layer: str
    kind: str
    weights_total: int
    weights_kept: int
    density: float
    density_effective: float
    flop: float
    activation_share: float
    flop_share: float
    neurons_total: int
    neurons_dead: int
    bytes_dense: int
    bytes_sparse: int


@dataclass(frozen=True, kw_only=True)
class TradeoffPoint:
    """One budget of one curve, complete."""

    identity: PointIdentity
    result: PointResult
    layers: tuple[LayerRow, ...] = ()
    collapsed: tuple[str, ...] = ()

    @property
    def density_missed(self) -> bool:
        """Whether the achieved density differs from the asked one by more than rounding to whole weights explains."""
        asked = self.result.density_asked
        if asked is None:
            return False
        slack = max(1, len(self.layers)) / max(1, self.result.weights_total)
        return abs(self.result.density_scope - asked) > slack


Record = TypeVar("Record")


def flatten(record: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested dataclasses into ``{"budget.kind": "density", ...}``; absent (``None``) values are left out."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        name = prefix + field.name
        if dataclasses.is_dataclass(value):
            flat |= flatten(value, name + ".")
        elif value is not None:
            flat[name] = value
    return flat


def unflatten(kind: type[Record], flat: Mapping[str, Any], prefix: str = "") -> Record:
    """Inverse of ``flatten`` for values that went through text (MLflow params) or floats (MLflow metrics).

    Raises:
        KeyError: a required value is missing; the message names it.
        ValueError: a value cannot be read as the declared type.
    """
    hints = _hints(typing.cast(Any, kind))
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        name, hint = prefix + field.name, hints[field.name]
        optional = isinstance(hint, types.UnionType)
        if optional:
            hint = next(a for a in typing.get_args(hint) if a is not types.NoneType)
        if dataclasses.is_dataclass(hint):
            if optional and not any(key.startswith(name + ".") for key in flat):
                values[field.name] = None
            else:
                values[field.name] = unflatten(typing.cast(Any, hint), flat, name + ".")
        elif name in flat:
            values[field.name] = _read(hint, flat[name])
        elif optional:
            values[field.name] = None
        elif field.default is dataclasses.MISSING:
            raise KeyError(name)
    return kind(**values)


@functools.cache  # resolving annotations anew for every record takes 11 of the 13 s that 5,000 points need
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, typing.get_args(hint)))}")
        return value
    if hint is int:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(f"{value!r} is not a whole number")
        return int(value)
    return hint(value)
