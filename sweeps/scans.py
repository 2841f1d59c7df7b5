"""What each layer of a session costs alone: its sensitivity scan, computed and recorded at most once, or probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pruneexp.cache.identity import short, stage_key
from pruneexp.errors import UserError
from pruneexp.experiment.identity import judged_by, penalties, settings
from pruneexp.experiment.session import Session
from pruneexp.pruning.allotment import layer_name
from pruneexp.schema import Budget, BudgetKind, Metric, Scan, ScanIdentity, read_scan, score
from pruneexp.sensitivity.groups import groups
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Stage
from pruneexp.stages.mask import probe
from pruneexp.stages.scan import Grid, scan
from sweeps.levels import leveled, sizes_of
from sweeps.space import CurvePoint, Curves, curves_of

#: Default levels of a scan: 0.25 to 3 standard deviations, densities, or shares of units.
LEVELS: Mapping[BudgetKind, Sequence[float]] = {
    "quality": tuple(step / 4 for step in range(1, 13)),
    "density": (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07, 0.05, 0.02),
    "units": (0.8, 0.6, 0.4, 0.2, 0.1),
}


@dataclass(frozen=True)
class ScanOptions:
    """The options of a scan besides its levels: see ``conf/study/sensitivity.yaml``."""

    epochs: int = 0
    coupled: Sequence[Sequence[str]] = ()
    resamples: int = 1000
    memory_gib: float = 1.0


def coupled_layers(session: Session, coupled: Sequence[Sequence[object]]) -> tuple[tuple[str, ...], ...]:
    """The names of layers to prune together; ``coupled`` comes from the configuration.

    Raises:
        UserError: a layer is unknown, or is in two groups.
    """
    if not coupled:
        return ()
    network, cut = session.job.setting.learner.network("fresh"), session.job.setting.cut.value
    layers = cut.scope(network)
    named = tuple(tuple(layer_name(each, layers, "study.coupled") for each in group) for group in coupled)
    groups(network, cut.layers, named, cut.exclude)
    return named


def stage_of(session: Session, levels: Sequence[float], kind: BudgetKind, options: ScanOptions) -> Stage:
    """The stage that scans the dense network of a session, from the mildest level on.

    Raises:
        UserError: the criterion prunes other units than single weights.
    """
    if session.job.setting.cut.value.unit is not None:
        raise UserError("a sensitivity scan prunes single weights, and criterion.unit names other units: leave it out")
    ordered = sorted(levels, reverse=kind == "density")
    grid = Grid(
        tuple(Budget(kind, level) for level in ordered),
        tuple(tuple(group) for group in options.coupled),
        options.epochs,
        options.resamples,
    )
    setting = session.job.setting
    return scan(setting, train_dense(setting), grid, memory=int(options.memory_gib * 2**30))


def scan_once(session: Session, levels: Sequence[float], kind: BudgetKind, options: ScanOptions | None = None) -> Scan:
    """The scan of a session's dense network; computed unless the store has it, recorded unless the records have it.

    Raises:
        UserError: a level is out of range, or a coupled layer is unknown.
    """
    stage = stage_of(session, levels, kind, options or ScanOptions())
    record = session.runner.record(stage)
    of = replace(_identity(session, stage, kind, options or ScanOptions()), device=record["device"])
    found = read_scan(of, record)
    session.record_scan(found)
    return found


def metric_of(session: Session) -> Metric:
    """What networks are judged by."""
    return session.job.setting.learner.task.value.metrics[0]


def curves_once(session: Session, levels: Sequence[float], kind: BudgetKind) -> tuple[Curves, float]:
    """What each layer costs when it alone is pruned to each level, and the value of the metric of the dense network.

    Units, such as channels, take a probe for each set and level; the store keeps the results, and no scan is recorded.

    Raises:
        UserError: a level is out of range.
    """
    if kind != "units":
        found = scan_once(session, levels, kind)
        return curves_of(found), found.dense[found.identity.primary.name]
    setting, sizes, curves = session.job.setting, sizes_of(session), dict[str, list[CurvePoint]]()
    dense, metric = train_dense(setting), metric_of(session)
    whole = score(session.runner.record(dense)["val"])[metric.name]
    for name in sizes:
        for level in sorted(levels, reverse=True):
            session.store.stop_if_requested()
            varied, budget = leveled(session, sizes, {**dict.fromkeys(sizes, 1.0), name: level})
            val = score(session.runner.record(probe(varied.job.setting, dense, budget))["val"])
            curves.setdefault(name, []).append(CurvePoint(level, level, metric.loss(whole, val[metric.name])))
    return curves, whole


def _identity(session: Session, stage: Stage, kind: BudgetKind, options: ScanOptions) -> ScanIdentity:
    job, choices = session.job, session.choices
    hashes, learner = settings(job), job.setting.learner
    others = {name: value for name, value in stage.config.items() if name != "seed"}
    return ScanIdentity(
        model=choices["model"],
        data=choices["data"],
        train=choices["train"],
        reg=choices["reg"],
        reg_strength=penalties(job)["reg_strength"],
        dropout=choices["dropout"],
        criterion=choices["criterion"],
        seed=job.setting.seed,
        levels=kind,
        retrain_epochs=options.epochs,
        scan_key=stage.key,
        dense_key=stage.parents[0].key,
        data_fingerprint=learner.fingerprint,
        device=learner.device.type,
        reg_settings=hashes["reg_settings"],
        dense_settings=hashes["dense_settings"],
        scan_settings=short(stage_key("scan settings", 1, others, [])),
        **judged_by(learner),
    )
