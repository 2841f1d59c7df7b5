"""A trade-off point from the records of its stages; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from omegaconf import DictConfig

from pruneexp.cache.identity import short, stage_key
from pruneexp.config.checks import plain
from pruneexp.cost.activations import Activations
from pruneexp.cost.counts import LayerCount
from pruneexp.cost.rows import layer_rows, totals
from pruneexp.experiment.build import Job
from pruneexp.experiment.sources import described
from pruneexp.schema import (
    SCHEMA_VERSION,
    Budget,
    Effort,
    Ledger,
    PointIdentity,
    PointResult,
    Score,
    Scores,
    TradeoffPoint,
)
from pruneexp.stages.graph import Route, Runner

#: Column of the ledger that each kind of stage is booked under.
COLUMNS = {"dense": "dense", "mask": "prune", "probe": "prune", "retrain": "retrain", "scratch": "scratch"}

#: Groups whose choice is a label of a point.
_CHOSEN = ("model", "data", "train", "reg", "dropout", "criterion", "schedule", "mode")


@dataclass(frozen=True)
class AskedBy:
    """The search that asked for a point, and the number it has there."""

    study: str
    trial: int = -1


def identity(
    job: Job,
    config: DictConfig,
    choices: Mapping[str, str],
    budget: Budget,
    route: Route,
    by: AskedBy | None = None,
) -> PointIdentity:
    """What tells the point of ``route`` from every other; known before anything is computed.

    A search's points are told from those of curves, and of other searches, by its name; not by the trial's number.
    """
    labels: dict[str, Any] = {
        **{group: choices[group] for group in _CHOSEN},
        "retrain_scope": config.retrain.scope.name,
        "seed": config.seed,
        "prunable": ",".join(config.criterion.layers),
        "batchnorm": "recalibrated" if config.curve.recalibrate_batchnorm else "as is",
        "train_epochs": config.train.epochs,
        "retrain_epochs": job.setting.retrain_epochs,
        "retrain_lr_factor": config.retrain.lr_factor,
    }
    labels |= {**penalties(config, job), **settings(config, job), **recipe(config, choices, job)}
    if by is not None:
        labels["study"] = by.study
    elif job.path:
        labels["path"] = ",".join(str(each.value) for each in job.path)
    fingerprint = job.setting.data.fingerprint
    curve = stage_key("curve", 1, {"labels": labels, "reg": plain(config.reg)}, [], fingerprint)
    ends = (route.dense.key, route.mask.key, route.final.key)
    point = stage_key("point", int(SCHEMA_VERSION), {"budget": asdict(budget)}, (curve, *ends))
    return PointIdentity(
        **labels,
        budget=budget,
        curve_key=curve,
        point_key=point,
        dense_key=ends[0],
        mask_key=ends[1],
        final_key=ends[2],
        data_fingerprint=fingerprint,
        device=job.setting.device.type,
        precision=job.setting.train.precision,
        trial=-1 if by is None else by.trial,
    )


def penalties(config: DictConfig, job: Job) -> dict[str, float]:
    """How strong the penalties of training and of retraining are, 0 where one has no strength."""
    pairs = {
        "reg_strength": (config.reg.train, job.setting.train_penalty),
        "reg_retrain_strength": (config.reg.retrain, job.setting.retrain_penalty),
    }
    found = {
        name: (node or {}).get("strength", getattr(made, "strength", None)) for name, (node, made) in pairs.items()
    }
    return {name: float(value) if isinstance(value, int | float) else 0.0 for name, value in found.items()}


def recipe(config: DictConfig, choices: Mapping[str, str], job: Job) -> dict[str, Any]:
    """What the hashes of a point cover that people choose by; ``None`` where a choice has no such switch."""
    train = job.setting.train
    return {
        "train_lr": train.lr,
        "batch_size": train.batch_size,
        "optimizer": train.optimizer,
        "momentum": train.momentum,
        "train_schedule": train.schedule,
        "retrain_schedule": job.setting.retrain.schedule,
        "warmup": train.warmup,
        "clip": train.clip,
        "label_smoothing": train.label_smoothing,
        "augment": _switch(job.setting.augment),
        "min_keep": job.setting.min_keep,
        "rounds": _number(config.schedule.get("rounds", 1 if choices["schedule"] == "one_shot" else None)),
        "cap": _number(config.mode.get("cap")),
        "scaled_init": _switch(config.mode.get("scaled_init")),
    }


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) else None


def _switch(value: Any) -> str | None:
    return str(value).lower() if isinstance(value, bool) else None


def settings(config: DictConfig, job: Job) -> dict[str, str]:
    """Short hashes of what the labels of a point stand for."""
    of = job.setting.configs
    parts = {
        "reg": {name: of[name] for name in ("train_penalty", "retrain_penalty")},
        "dense": {name: of[name] for name in ("model", "train", "dense_dropout")},
        "prune": {name: of[name] for name in ("criterion", "retrain", "dropout")},
        "schedule": described(config.schedule, config.runtime.allow),
        "mode": described(config.mode, config.runtime.allow),
    }
    return {f"{name}_settings": short(stage_key(name, 1, part, [])) for name, part in parts.items()}


def assemble(of: PointIdentity, route: Route, runner: Runner, layer_flop: Mapping[str, float]) -> TradeoffPoint:
    """Compute what is missing of a route, and put its point together.

    Raises:
        Exception: whatever stopped a stage.
    """
    records = {step.key: runner.record(step) for step in route.steps}
    dense, mask, final = (records[step.key] for step in (route.dense, route.mask, route.final))
    measured = Activations(**final["activations"])
    rows = layer_rows([LayerCount(**count) for count in mask["counts"]], layer_flop, measured)
    inherited = route.final.kind in ("retrain", "probe")
    result = PointResult(
        **asdict(totals(rows, measured)),
        density_asked=of.budget.value if of.budget.kind == "density" else None,
        density_scope=mask["density_scope"],
        val=_scores("val", dense, mask if inherited else None, final),
        test=_scores("test", dense, mask if inherited else None, final) if "test" in final else None,
        ledger=_ledger(route, records, runner),
    )
    of = replace(of, device=final["device"])  # where it was computed, which the store may know better than this job
    return TradeoffPoint(
        identity=of,
        result=result,
        layers=rows,
        collapsed=tuple(mask["collapsed"]),
        disconnected=final["disconnected"],
    )


def _scores(split: str, dense: Mapping[str, Any], mask: Mapping[str, Any] | None, final: Mapping[str, Any]) -> Scores:
    before = Score(**mask[split]) if mask is not None else None
    return Scores(dense=Score(**dense[split]), before=before, after=Score(**final[split]))


def _ledger(route: Route, records: Mapping[str, Mapping[str, Any]], runner: Runner) -> Ledger:
    columns: dict[str, Effort] = {}
    for step in route.steps:
        name, own = COLUMNS[step.kind], Effort(**records[step.key]["effort"])
        sofar = columns.get(name, Effort())
        columns[name] = Effort(
            epochs=sofar.epochs + own.epochs,
            flop=sofar.flop + own.flop,
            seconds=sofar.seconds + own.seconds,
            stages=sofar.stages + 1,
            cached=sofar.cached + runner.hits[step.key],
        )
    return Ledger(**columns)
