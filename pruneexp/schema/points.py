"""A trade-off point: its identity and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BudgetKind = Literal["density", "quality"]


@dataclass(frozen=True)
class Budget:
    """How much pruning leaves: a density in (0, 1], or a quality ``q >= 0`` (threshold = q x std of the layer)."""

    kind: BudgetKind
    value: float

    @property
    def letter(self) -> str:
        """``d`` or ``q``."""
        return "d" if self.kind == "density" else "q"

    @property
    def text(self) -> str:
        """``d=0.1`` or ``q=0.75``."""
        return f"{self.letter}={self.value:g}"


@dataclass(frozen=True, kw_only=True)
class PointIdentity:
    """All that distinguishes one trade-off point from another; logged as MLflow params on the point itself.

    Labels are the user's choices; each ``..._settings`` is a short hash of the full settings behind the labels: of the
    dense network, of pruning and retraining it, of both penalties, of the schedule, of the mode. Points that differ in
    one of these hashes, or in the data's fingerprint, never count as repetitions of each other. ``reg_strength`` and
    ``reg_retrain_strength`` are the strengths of the penalties of training and of retraining, 0 for a penalty without
    one. ``retrain_epochs`` are the epochs of each retraining, both halves of a local one together.

    Fields that may be None repeat single values of the hashed settings, so that users can filter by them; they are None
    where a choice has no such value and in records of earlier versions. ``path`` holds the budgets of the whole curve,
    comma-separated, where the rounds that lead to a point depend on them. ``study`` and ``trial`` belong to the search
    that requested the point; they are empty and -1 for a point of a curve.
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
    reg_settings: str = ""
    dense_settings: str = ""
    prune_settings: str = ""
    schedule_settings: str = ""
    mode_settings: str = ""
    prunable: str = "conv,linear"
    batchnorm: str = "as is"
    train_epochs: int = 0
    retrain_epochs: int = 0
    retrain_lr_factor: float = 1.0
    train_lr: float | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    momentum: float | None = None
    train_schedule: str | None = None
    retrain_schedule: str | None = None
    warmup: float | None = None
    clip: float | None = None
    label_smoothing: float | None = None
    augment: str | None = None
    min_keep: int | None = None
    rounds: int | None = None
    path: str | None = None
    cap: float | None = None
    scaled_init: str | None = None
    trainer: str | None = None
    study: str = ""
    trial: int = -1


@dataclass(frozen=True, kw_only=True)
class Score:
    """Scores of one network on one split: mean cross-entropy, accuracies in percent; ``top5`` from six classes on.

    ``undefined`` of ``images`` images have no best class, because a logit is not a number; they count as wrong answers.
    Both are None if every image has one.
    """

    loss: float
    top1: float
    top5: float | None = None
    undefined: int | None = None
    images: int | None = None


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One split at the three moments of a point; ``before`` retraining is None for networks trained from scratch."""

    dense: Score
    after: Score
    before: Score | None = None


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Work of one kind of stage; ``cached`` counts its stages from the store, ``seconds`` has their original time."""

    epochs: float = 0.0
    flop: float = 0.0
    seconds: float = 0.0
    stages: int = 0
    cached: int = 0


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Compute behind a point, by kind of stage; stages from the store count with their original cost."""

    dense: Effort = Effort()
    prune: Effort = Effort()
    retrain: Effort = Effort()
    scratch: Effort = Effort()


@dataclass(frozen=True, kw_only=True)
class PointResult:
    """The numbers of one trade-off point; logged as MLflow metrics.

    ``test`` is None for a probe of a search, which does not evaluate that split. ``density`` is over all prunable
    weights of the network, ``density_scope`` over those that the criterion may prune (the two differ for conv-only
    pruning), ``density_effective`` without the connections of dead neurons. FLOP are for one image.
    """

    density_asked: float | None = None
    density: float
    density_scope: float
    density_effective: float
    weights_total: int
    weights_kept: int
    val: Scores
    test: Scores | None = None
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
    """One budget of one curve, complete.

    ``collapsed`` are the layers that keep ``min_keep`` weights on top of the budget. A ``disconnected`` network gives
    the same outputs for every image of val, so its accuracies are those of a constant answer.
    """

    identity: PointIdentity
    result: PointResult
    layers: tuple[LayerRow, ...] = ()
    collapsed: tuple[str, ...] = ()
    disconnected: bool = False

    @property
    def density_missed(self) -> bool:
        """Whether the achieved density differs from the requested one by more than the rounding to whole weights."""
        asked = self.result.density_asked
        if asked is None:
            return False
        slack = max(1, len(self.layers)) / max(1, self.result.weights_total)
        return abs(self.result.density_scope - asked) > slack
