"""Run one job: plan, compute, record. A point that fails is recorded as failed, and the others go on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from pruneexp.errors import JobFailed
from pruneexp.experiment.pace import Paces
from pruneexp.experiment.pages import show_record
from pruneexp.experiment.plan import make_plan
from pruneexp.experiment.served import log_networks
from pruneexp.experiment.session import PointFailed, Record, Session, open_session
from pruneexp.jobs.state import JobLog
from pruneexp.schema import PointIdentity, TradeoffPoint, flatten
from pruneexp.signals import StopRequest


def run(
    config: DictConfig,
    choices: Mapping[str, str],
    own: Sequence[str] = (),
    stop: StopRequest | None = None,
    report: JobLog | None = None,
) -> Mapping[str, float] | None:
    """Compute and record every point of one curve, or print the plan alone where ``config.plan`` says so.

    ``choices`` names the option of each group; ``own`` are modules of the user's that a ``_target_`` may name. Once
    ``notice`` is given the job saves its position and leaves. ``report`` is told how far the job is.

    Returns:
        The numbers of the last point, the hardest budget's, under their names in records; for sweepers.

    Raises:
        Leaving: notice was given.
        UserError: the request or the machine is at fault; nothing that was computed is lost.
        JobFailed: some points failed; the message says which and why.
    """
    report = report or JobLog()
    session = open_session(config, choices, own, stop=stop, report=report)
    job, display = session.job, session.display
    identities = [session.identity(*pair) for pair in zip(job.budgets, job.routes, strict=True)]
    in_sweep = session.spec.runtime.job is not None  # whose plan has the times of all jobs
    plan = make_plan(job, session.store, session.places, Paces(lambda _: math.nan) if in_sweep else None)
    display.plan(identities[0], plan)
    if session.spec.plan:
        return None
    report.asked(plan.points, plan.points_stored)
    curve = session.open_curve(identities[0])  # before any work: an unreachable server is said now
    with curve.closing():
        with session.monitored(curve), display.running(len(job.routes)):
            points, failures = _points(session, identities, curve, report)
        display.table(points)
        display.warn(job.overlooked)
        log_networks(session, identities)
        show_record(session, curve, "tradeoff")
        if failures:
            raise JobFailed(f"{len(failures)} of {len(job.routes)} points failed: " + "; ".join(failures))
    return flatten(points[-1].result)


def _points(
    session: Session, identities: list[PointIdentity], curve: Record, report: JobLog
) -> tuple[list[TradeoffPoint], list[str]]:
    points: list[TradeoffPoint] = []
    failures: list[str] = []
    session.train_together(curve, identities, session.job.routes)
    for of, route in zip(identities, session.job.routes, strict=True):
        try:
            points.append(session.point(curve, of, route))
            report.point()
        except PointFailed as failure:
            failures.append(f"{of.budget.text} ({failure})")
        session.display.point_done()
    return points, failures
