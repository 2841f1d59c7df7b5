"""What tells a trade-off point from every other: labels that people chose, and hashes of what they stand for.

Reads the parts of a job and computes nothing; all of it is known before a network is trained.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pruneexp.cache.identity import short, stage_key
from pruneexp.config.groups import LABELS
from pruneexp.experiment.build import Job
from pruneexp.experiment.points import VERSION
from pruneexp.experiment.start import name_of
from pruneexp.pruning.allotment import Targets, targets_of
from pruneexp.pruning.select import Allocation
from pruneexp.schema import Budget, PointIdentity
from pruneexp.stages.graph import Route
from pruneexp.stages.setting import Learner, Regime


@dataclass(frozen=True)
class AskedBy:
    """The search that asked for a point, and the number it has there."""

    study: str
    trial: int = -1


def identity(job: Job, budget: Budget, route: Route, by: AskedBy | None = None) -> PointIdentity:
    """What tells the point of ``route`` from every other.

    A search's points are told from those of curves, and of other searches, by its name; not by the trial's number.
    """
    told = labels(job, by)
    fingerprint, setting = job.setting.learner.fingerprint, job.setting
    reg = {key: value for key, value in job.spec.values["reg"].items() if key != "lr_factor" or value != 1}
    curve = stage_key("curve", 1, {"labels": told, "reg": reg}, [], fingerprint)
    ends = (route.dense.key, route.mask.key, route.final.key)
    costs = {"costs": {name: cost.identity for name, cost in job.costs.items()}} if job.costs else {}
    point = stage_key("point", VERSION, {"budget": asdict(budget), **costs}, (curve, *ends))
    return PointIdentity(
        **told,
        **judged_by(setting.learner),
        budget=budget,
        curve_key=curve,
        point_key=point,
        dense_key=ends[0],
        mask_key=ends[1],
        final_key=ends[2],
        data_fingerprint=fingerprint,
        device=setting.learner.device.type,
        precision=setting.dense.recipe.value.precision,
        targets=_targets(setting.cut.value.allocation, by),
        started_from=name_of(job.spec.start_from) if job.spec.start_from else None,  # in no key: the content is
        trial=-1 if by is None else by.trial,
    )


def labels(job: Job, by: AskedBy | None = None) -> dict[str, Any]:
    """Everything that the points of a curve share, under its name in ``PointIdentity``."""
    spec, setting = job.spec, job.setting
    told: dict[str, Any] = {
        **{group: spec.choices[group] for group in LABELS},
        "retrain_scope": spec.values["retrain"]["scope"],
        "seed": setting.seed,
        "prunable": ",".join(setting.cut.value.layers),
        "batchnorm": "recalibrated" if setting.recalibrate_batchnorm else "as is",
        "train_epochs": setting.dense.epochs,
        "retrain_epochs": setting.retraining.epochs,
        "retrain_lr_factor": spec.values["retrain"]["lr_factor"],
        **penalties(job),
        **settings(job),
        **_switches(job),
    }
    if exclude := setting.cut.value.exclude:
        told["exclude"] = ",".join(exclude)
    if epoch := job.mode.identity.get("epoch"):
        told["rewind_epoch"] = _number(epoch)
    if by is not None:
        told["study"] = by.study
    elif path := job.path:
        told["path"] = ",".join(str(each.value) for each in path)
    return told


def _targets(allocation: Allocation, by: AskedBy | None) -> Targets:
    """What the allocation says; a search that sets factors of layers has discovered them."""
    return "discovered" if by is not None and getattr(allocation, "scale", None) else targets_of(allocation)


def judged_by(learner: Learner) -> dict[str, Any]:
    """The task of a record and its primary metric; nothing for classification, of which every record is by default."""
    if not learner.task.identity:
        return {}
    return {"task": learner.task.value.name, "metric": learner.task.value.metrics[0]}


def penalties(job: Job) -> dict[str, float]:
    """How strong the penalties of training and of retraining are, 0 where one has no strength."""
    setting = job.setting
    return {"reg_strength": _strength(setting.dense), "reg_retrain_strength": _strength(setting.retraining)}


def _strength(regime: Regime) -> float:
    """What the configuration of a penalty says, or the penalty itself."""
    penalty = regime.penalty
    written = (penalty.identity or {}).get("strength", getattr(penalty.value, "strength", None))
    return float(_number(written) or 0)


def settings(job: Job) -> dict[str, str]:
    """Short hashes of what the labels of a point stand for; the learning rates are those of the recipe.

    What the penalty multiplies them by is told with the penalty, so that networks under two penalties share the rest.
    """
    learner, cut = job.setting.learner, job.setting.cut
    dense, retraining = job.setting.dense.identity, job.setting.retraining.identity
    rate: float = job.spec.values["train"]["lr"]
    again = rate * job.spec.values["retrain"]["lr_factor"]
    factor = {} if job.spec.lr_factor == 1 else {"lr_factor": job.spec.lr_factor}
    scratch = job.setting.scratch.penalty.identity
    own = {} if scratch == dense["penalty"] else {"scratch_penalty": scratch}
    parts = {
        "reg": {"train_penalty": dense["penalty"], "retrain_penalty": retraining["penalty"], **own, **factor},
        "dense": {
            **learner.identity("initial"),
            "train": {**dense["train"], "lr": rate},
            "dense_dropout": dense["dropout"],
        },
        "prune": {
            "criterion": cut.identity,
            "retrain": {**retraining["retrain"], "lr": again},
            "dropout": retraining["dropout"],
        },
        "schedule": job.schedule.identity,
        "mode": job.mode.identity,
    }
    return {f"{name}_settings": short(stage_key(name, 1, part, [])) for name, part in parts.items()}


def _switches(job: Job) -> dict[str, Any]:
    """What the hashes of a point cover that people choose by; ``None`` where a choice has no such switch."""
    train, retrain = job.setting.dense.recipe.value, job.setting.retraining.recipe.value
    once = 1 if job.spec.choices["schedule"] == "one_shot" else None
    return {
        "train_lr": job.spec.values["train"]["lr"],
        "reg_lr_factor": None if job.spec.lr_factor == 1 else job.spec.lr_factor,
        "batch_size": train.batch_size,
        "optimizer": train.optimizer,
        "momentum": train.momentum,
        "train_schedule": train.schedule,
        "retrain_schedule": retrain.schedule,
        "warmup": train.warmup,
        "clip": train.clip,
        "label_smoothing": train.label_smoothing,
        "augment": _switch(job.setting.dense.augment),
        "min_keep": job.setting.cut.value.min_keep,
        "rounds": _number(job.schedule.identity.get("rounds", once)),
        "cap": _number(job.mode.identity.get("cap")),
        "scaled_init": _switch(job.mode.identity.get("scaled_init")),
        "small_init": _switch(job.mode.identity.get("small_init")),
        "rewound_masks": _switch(job.mode.identity.get("rewound_masks")),
        "trainer": _trainer(job.setting.retraining),
    }


def _trainer(regime: Regime) -> str | None:
    """The name of a trainer of ours, the target of one of the user's; None for ``single``."""
    identity = regime.trainer.identity
    named: str | None = identity.get("name", identity.get("_target_"))
    return named


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) else None


def _switch(value: Any) -> str | None:
    return str(value).lower() if isinstance(value, bool) else None
