"""Values that follow from a point: numbers for charts, and keys that repetitions of a point share.

Readers of records need none of them, because they can compute them from the record.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pruneexp.schema import names
from pruneexp.schema.codec import flatten
from pruneexp.schema.metrics import Metric
from pruneexp.schema.points import Effort, PointIdentity, Score, Scores, TradeoffPoint

#: Names of the flat identity in which repetitions of one point may differ.
REPEATED = ("seed", "trial", "targets", "device", "curve_key", "point_key", "dense_key", "mask_key", "final_key")
#: For each hash, the values in it that the flat identity also holds under a name of their own.
EXPLAINED: Mapping[str, Sequence[str]] = {
    "dense_settings": (
        "train_lr", "batch_size", "optimizer", "momentum", "train_schedule", "warmup", "clip", "label_smoothing",
        "augment", "started_from",
    ),
    "prune_settings": ("retrain_schedule", "min_keep", "exclude", "trainer"),
    "schedule_settings": ("rounds",),
    "mode_settings": ("cap", "scaled_init", "small_init", "rewound_masks", "rewind_epoch"),
}  # fmt: skip
#: A mode and its own switches.
OF_A_MODE = ("mode", "mode_settings", *EXPLAINED["mode_settings"])
_BUDGET = ("budget.kind", "budget.value")


#: Percentages have no more decimals; rounding removes the error of a subtraction of floats.
_DECIMALS = 9


def derived(point: TradeoffPoint) -> dict[str, float]:
    """The derived numbers of a point, under their names in records; changes are those of its primary metric."""
    metric, result = point.identity.primary, point.result
    ledger = result.ledger
    efforts: Sequence[Effort] = (ledger.dense, ledger.prune, ledger.retrain, ledger.scratch)
    compression = result.weights_total / max(1, result.weights_kept)
    numbers = {
        names.COMPRESSION: compression,
        names.LOG2_COMPRESSION: math.log2(compression),
        names.SECONDS: sum(effort.seconds for effort in efforts),
        names.STAGES: float(sum(effort.stages for effort in efforts)),
        names.CACHE_HITS: float(sum(effort.cached for effort in efforts)),
    }
    if result.network_total is not None and result.network_kept is not None:
        numbers[names.NETWORK_COMPRESSION] = result.network_total / max(1, result.network_kept)
    for split, scores in (("val", result.val), ("test", result.test)):
        if scores is not None:
            numbers |= _changes(split, scores, metric)
    return numbers


def _changes(split: str, scores: Scores, metric: Metric) -> dict[str, float]:
    dense = scores.dense[metric.name]
    moments = {"before": scores.before, "after": scores.after}
    return {
        names.change_name(split, when, metric.name): round(metric.change(dense, score[metric.name]), _DECIMALS)
        for when, score in moments.items()
        if score is not None
    }


def doubts(point: TradeoffPoint) -> tuple[str, ...]:
    """Reasons to doubt the scores of a point, in words; empty for nearly every point."""
    constant = f"disconnected: the same outputs for every {point.identity.example}" if point.disconnected else ""
    return tuple(text for text in (constant, undefined(point)) if text)


def undefined(point: TradeoffPoint) -> str:
    """The scores that rest on outputs that are not numbers, in words; empty if there are none.

    ``not a number on 42 of 102 images of val and 40 of 102 images of test``: each split once, for the last moment with
    such outputs. The text also names a loss that is not finite although every example has an answer.
    """
    result, examples = point.result, f"{point.identity.example}s"
    numbers: list[str] = []
    losses: list[str] = []
    for split, scores in (("val", result.val), ("test", result.test)):
        moments = () if scores is None else ((scores.after, ""), (scores.before, " before"), (scores.dense, " dense"))
        bad = [(score, when) for score, when in moments if score is not None and not _is_defined(score)]
        for score, when in bad[:1]:
            if score.undefined:
                numbers.append(f"{score.undefined} of {score.images} {examples} of {split}{when}")
            else:
                losses.append(f"{split}{when}")
    parts = (("not a number on ", numbers), ("no finite loss on ", losses))
    return ", ".join(text + " and ".join(found) for text, found in parts if found)


def _is_defined(score: Score) -> bool:
    return not score.undefined and abs(score.loss) < sys.float_info.max  # MLflow stores an infinite loss as this number


def group_of(identity: PointIdentity, *, with_budget: bool) -> str:
    """A key that points share exactly if they differ in the seed alone; without the budget, a key of whole curves."""
    return _key(identity, REPEATED if with_budget else (*REPEATED, *_BUDGET))


def contest_of(identity: PointIdentity) -> str:
    """A key that curves share when they differ in seed, mode and the switches of the mode alone."""
    return _key(identity, (*REPEATED, *_BUDGET, *OF_A_MODE))


def _key(identity: PointIdentity, without: Sequence[str]) -> str:
    kept: dict[str, Any] = {name: value for name, value in flatten(identity).items() if name not in without}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
