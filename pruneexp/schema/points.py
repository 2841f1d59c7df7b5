"""A trade-off point: its identity and its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pruneexp.schema.budgets import Budget
from pruneexp.schema.codec import unflatten
from pruneexp.schema.metrics import JudgedByMetric, Metric


@dataclass(frozen=True, kw_only=True)
class PointIdentity(JudgedByMetric):
    """All that distinguishes one trade-off point from another; logged as MLflow params on the point itself.

    Labels are the user's choices; each ``..._settings`` is a short hash of the full settings behind the labels: of the
    dense network, of pruning and retraining it, of both penalties, of the schedule, of the mode. Points that differ in
    one of these hashes, or in the data's fingerprint, never count as repetitions of each other. ``reg_strength`` and
    ``reg_retrain_strength`` are the strengths of the penalties of training and of retraining, 0 for a penalty without
    one; ``reg_lr_factor`` is what the penalty multiplies the learning rate of the recipe by, where it does.
    ``retrain_epochs`` are the epochs of each retraining, both halves of a local one together.

    Fields that may be None repeat single values of the hashed settings, so that users can filter by them; they are None
    where a choice has no such value and in records of earlier versions. ``started_from`` says what file dense training
    started from: the network, the mode and the budget of an export, ``resnet18 scratch_e d=0.5``, and the name of any
    other; the hash covers its content. ``path`` holds the budgets of the whole curve,
    comma-separated, where the rounds that lead to a point depend on them. ``targets`` says whether the sizes of layers
    are ``predefined`` or ``discovered`` by pruning (Liu et al. 2019, Figure 2), which follows from the criterion.
    ``study`` and ``trial`` belong to the search that requested the point; they are empty and -1 for a point of a curve.
    ``task`` and ``metric``, the first of its metrics, are None for classification, whose ``primary`` is ``TOP1``.
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
    exclude: str | None = None
    batchnorm: str = "as is"
    train_epochs: int = 0
    retrain_epochs: int = 0
    retrain_lr_factor: float = 1.0
    train_lr: float | None = None
    reg_lr_factor: float | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    momentum: float | None = None
    train_schedule: str | None = None
    retrain_schedule: str | None = None
    warmup: float | None = None
    clip: float | None = None
    label_smoothing: float | None = None
    augment: str | None = None
    started_from: str | None = None
    min_keep: int | None = None
    rounds: int | None = None
    path: str | None = None
    cap: float | None = None
    scaled_init: str | None = None
    small_init: str | None = None
    rewound_masks: str | None = None
    rewind_epoch: int | None = None
    trainer: str | None = None
    targets: str | None = None
    study: str = ""
    trial: int = -1
    task: str | None = None
    metric: Metric | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """Scores of one network on one split: the mean loss, and each metric of the task by name.

    Of classification, these are the mean cross-entropy and accuracies in percent: ``top1``, and ``top5`` from six
    classes on. ``undefined`` of ``images`` examples have no answer, because an output is not a number; they count as
    wrong answers. Both are None if every example has one.
    """

    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)
    undefined: int | None = None
    images: int | None = None

    def __getitem__(self, metric: str) -> float:
        """The value of a metric.

        Raises:
            KeyError: the score has no such metric.
        """
        return self.metrics[metric]


def score(record: Mapping[str, Any]) -> Score:
    """The score that stands flat in the record of a stage, where what is absent may also be null."""
    return unflatten(Score, {name: value for name, value in record.items() if value is not None})


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
class OwnCosts:
    """Costs that a user defined, by name (``cost.cost``)."""

    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PointResult:
    """The numbers of one trade-off point; logged as MLflow metrics.

    ``test`` is None for a probe of a search, which does not evaluate that split. ``density`` is over all prunable
    weights of the network, ``density_scope`` over those that the criterion may prune (the two differ for conv-only
    pruning), ``density_effective`` without the connections of dead neurons. FLOP are for one image: ``flop_dense``,
    ``flop_weights`` and ``flop_effective`` of products with prunable weights, ``flop_total`` of all products of the
    dense network, attention's own included. ``network_total`` and ``network_kept`` count all numbers that the network
    ships, biases, normalisations and buffers too, and ``network_bytes_dense`` and ``network_bytes_sparse`` are their
    sizes. ``test_examples`` are those that ``test`` is the score of, unless it is None. These six are None in records
    of earlier versions. ``removed_parameters`` and ``removed_flop`` are those of the smaller network that is left once
    the channels that masks cut are taken out, None where no unit cuts channels.
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
    flop_total: float | None = None
    network_total: int | None = None
    network_kept: int | None = None
    network_bytes_dense: int | None = None
    network_bytes_sparse: int | None = None
    test_examples: int | None = None
    removed_parameters: int | None = None
    removed_flop: float | None = None
    ledger: Ledger = Ledger()
    cost: OwnCosts = OwnCosts()


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One prunable layer of one point: a row of Han et al. 2015, Tables 2 to 5.

    ``flop`` is the dense cost of the layer for one image; ``flop_share`` is ``density * activation_share`` of the
    layer's input. ``activation_share`` is the share of non-zero outputs of the layer, after the non-linearity and
    pooling that follow it. ``kernel`` of a convolution in two dimensions has the number of kept weights at each place
    of its kernels, ``9 7 9;7 12 7;9 7 8``; None where a kernel is one weight, and in records of earlier versions.
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
    kernel: str | None = None


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


def read_point(identity: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[PointIdentity, PointResult]:
    """A point from its flat identity and its flat numbers.

    Raises:
        KeyError: a required value is missing, such as one of its primary metric; the message names it.
        ValueError: a value cannot be read as the declared type.
    """
    of, numbers = unflatten(PointIdentity, identity), unflatten(PointResult, result)
    for split, scores in (("val", numbers.val), ("test", numbers.test)):
        for moment in ("dense", "after", "before"):
            found: Score | None = getattr(scores, moment, None)
            if found is not None and of.primary.name not in found.metrics:
                raise KeyError(f"{split}.{moment}.{of.primary.name}")
    return of, numbers
