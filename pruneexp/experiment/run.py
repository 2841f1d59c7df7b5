"""Run one job: plan, compute, record. A point that fails is recorded as failed, and the others go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from pruneexp import schema
from pruneexp.cache.store import Store
from pruneexp.errors import Infeasible, JobFailed, UserError
from pruneexp.experiment.build import Job, build
from pruneexp.experiment.display import Display, budget_text
from pruneexp.experiment.plan import make_plan
from pruneexp.experiment.points import assemble, identity
from pruneexp.provenance import environment
from pruneexp.schema import PointIdentity, TradeoffPoint
from pruneexp.stages.graph import Runner
from pruneexp.tracking import Tracker, curve_name, default_uri, redact

#: What the points of one curve differ in.
OF_A_POINT = ("budget.kind", "budget.value", "point_key", "mask_key", "final_key")


def run(config: DictConfig, choices: Mapping[str, str], own: Sequence[str] = ()) -> None:
    """Compute and record every point of one curve, or print the plan alone where ``config.plan`` says so.

    ``choices`` names the option of each group; ``own`` are modules of the user's that a ``_target_`` may name.

    Raises:
        UserError: the request or the machine is at fault; nothing that was computed is lost.
        JobFailed: some points failed; the message says which and why.
    """
    display = Display(bars=config.runtime.progress)
    store = Store(Path(config.runtime.store), checkpoint_every=config.runtime.checkpoint_seconds, on_event=display.note)
    job = build(config, display, own)
    identities = [identity(job, config, choices, *pair) for pair in zip(job.budgets, job.routes, strict=True)]
    uri = config.runtime.tracking_uri or default_uri(Path.cwd())
    places = (("store", str(store.root)), ("records", f"{redact(uri)}, experiment {config.runtime.experiment}"))
    display.plan(identities[0], make_plan(job, store, places))
    if config.plan:
        return
    tracker = Tracker(uri, config.runtime.experiment)  # before any work: an unreachable server is said now
    curve = _open_curve(tracker, config, identities[0], job)
    try:
        with display.running(len(job.routes)):
            points, failures = _points(job, Runner(store), identities, tracker, curve, display)
    except KeyboardInterrupt:
        tracker.close_curve(curve, "KILLED")
        raise
    except BaseException:
        tracker.close_curve(curve, "FAILED")
        raise
    tracker.close_curve(curve, "FAILED" if failures else "FINISHED")
    display.table(points)
    if failures:
        raise JobFailed(f"{len(failures)} of {len(job.routes)} points failed: " + "; ".join(failures))


def _points(
    job: Job, runner: Runner, identities: list[PointIdentity], tracker: Tracker, curve: str, display: Display
) -> tuple[list[TradeoffPoint], list[str]]:
    points: list[TradeoffPoint] = []
    failures: list[str] = []
    for of, route in zip(identities, job.routes, strict=True):
        try:
            point = assemble(of, route, runner, job.setting.layer_flop)
        except Exception as error:  # a diverged training, too little memory, a bug in somebody's network
            if isinstance(error, UserError) and not isinstance(error, Infeasible):
                raise
            reason = f"{type(error).__name__}: {error}"
            tracker.log_failure(curve, schema.flatten(of), reason)
            failures.append(f"{budget_text(of.budget)} ({reason})")
        else:
            tracker.log_point(curve, point)
            points.append(point)
        display.point_done()
    return points, failures


def _open_curve(tracker: Tracker, config: DictConfig, of: PointIdentity, job: Job) -> str:
    shared = {name: value for name, value in schema.flatten(of).items() if name not in OF_A_POINT}
    gpu = torch.cuda.get_device_name() if job.setting.device.type == "cuda" else None
    resolved = OmegaConf.to_yaml(config, resolve=True)
    return tracker.curve(of.curve_key, curve_name(shared), shared, {}, resolved, environment(accelerator=gpu))
