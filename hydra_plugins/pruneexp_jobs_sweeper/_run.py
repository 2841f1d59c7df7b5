"""From a list of jobs to its end: the plan, the jobs that are missing, what came of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from hydra_plugins.pruneexp_jobs_sweeper._jobs import ListedSweep
from pruneexp.config.choices import search_folders
from pruneexp.errors import JobFailed, UserError
from pruneexp.experiment.display import Display
from pruneexp.experiment.numbers import show_numbers
from pruneexp.experiment.pages import show_sweep
from pruneexp.experiment.session import check_records
from pruneexp.experiment.survey import JobPlan, in_waves, plan_lines, survey
from pruneexp.experiment.threads import room
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.following import following
from pruneexp.jobs.progress import STATES, progress
from pruneexp.jobs.state import reason_of, write_state
from pruneexp.places import SWEEPS

#: What each job is told: it writes what it says into its log, and the command says what came of it.
_SILENT = ("++runtime.progress=false", "++runtime.log=true")


@runtime_checkable
class SharesMachine(Protocol):
    """A launcher that runs jobs on this machine: ``room`` for so many at a time, as it is told, is what it ``shares``.

    A protocol, as Hydra executes the module of a launcher a second time, and has another class then.
    """

    room: int

    def shares(self, jobs: int) -> tuple[int, int]: ...


def run(sweep: ListedSweep, config: DictConfig, launcher: Launcher, *, retry: bool) -> None:
    """Show the plan; unless that is all that is wanted, run what is missing, and show the numbers of the whole sweep.

    Raises:
        UserError: nothing could be started.
        JobFailed: some jobs failed, or are left.
    """
    sys.path += [folder for folder in search_folders(config.hydra) if folder not in sys.path]
    display, folder = Display(bars=config.runtime.progress), sweep.folder
    stores = {(job.config.runtime.tracking_uri, job.config.runtime.experiment): job.config for job in sweep.jobs}
    plans = _planned(sweep, display, launcher)
    if config.plan:
        return
    for job in stores.values():
        check_records(job, display)
    folder.claim(sweep.definition)
    todo = in_waves(_todo(folder, plans, retry), plans)
    cause = None
    if todo:
        with following(folder, live=config.runtime.progress):
            cause = launch(launcher, [[*sweep.jobs[number].overrides, *_SILENT] for number in todo], todo[0])
    show_numbers(sweep.definition, plans, display)
    try:
        conclude(folder, cause, display)
    finally:
        if progress(folder).points_done:
            for job in stores.values():
                show_sweep(job.runtime, display)


def _planned(sweep: ListedSweep, display: Display, launcher: Launcher) -> list[JobPlan]:
    """Look at every job, tell the launcher how many fit side by side, and print what the jobs ask for together.

    Raises:
        UserError: not one of the jobs can be made here.
    """
    plans = survey([(job.config, job.choices, job.own) for job in sweep.jobs], display)
    if (problem := plans[0].problem) is not None and all(plan.problem is not None for plan in plans):
        raise problem
    display.say(f"sweep {sweep.folder.name}")
    lines = list(plan_lines(plans, _at_once(launcher, plans)))
    width = max([9, *(len(label) for label, _ in lines)])
    for label, text in lines:
        display.say(f"  {label:<{width}} {text}")
    return plans


def _at_once(launcher: Launcher, plans: Sequence[JobPlan]) -> int:
    """How many jobs will run at a time on this machine; 1 where that is not known, as on a cluster."""
    left = [plan for plan in plans if not plan.done and plan.problem is None]
    if not isinstance(launcher, SharesMachine):
        return 1
    launcher.room = room([plan.cores for plan in left])
    return launcher.shares(max(1, len(left)))[0]


def _todo(folder: SweepFolder, plans: Sequence[JobPlan], retry: bool) -> list[int]:
    """The jobs to start; the states of those are set to waiting, and of those recorded whole to done."""
    todo = []
    for number, (plan, before) in enumerate(zip(plans, progress(folder).states, strict=True)):
        if before.state == "running" or (before.state == "failed" and not plan.done and not retry):
            continue
        points = plan.work.points or before.points
        state = replace(before, points=points, done=plan.recorded, stored=plan.recorded, reason="", stage="")
        if not plan.done:
            todo.append(number)
            write_state(folder, number, replace(state, state="waiting"))
        elif before.state != "done" or before.done != points:
            write_state(folder, number, replace(state, state="done"))
    return todo


def launch(launcher: Launcher, jobs: Sequence[Sequence[str]], first: int) -> Exception | None:
    """Run jobs, and return what the launcher died of, or else what the first failed job has raised."""
    try:
        returned = launcher.launch(jobs, initial_job_idx=first)
    except Exception as error:  # noqa: BLE001  of any kind: what is done is done
        return error
    return next((job._return_value for job in returned if isinstance(job._return_value, Exception)), None)  # noqa: SLF001


def conclude(folder: SweepFolder, cause: Exception | None, display: Display) -> None:
    """Say what came of the sweep; ``cause`` is the first failure that its launcher returned, or died of.

    Raises:
        JobFailed: not everything is done.
        UserError: nothing is, and the request or the machine is at fault.
    """
    came = progress(folder)
    if len(came.numbers("done")) == len(came.jobs):
        display.say(f"sweep {came.name}: all {len(came.jobs)} jobs are done, {came.points_done} points")
        return
    if isinstance(cause, UserError) and not came.numbers("done", "running"):
        raise cause
    where = "" if folder.root == SWEEPS else f" --sweeps {folder.root}"
    counted = f"of {len(came.jobs)} jobs {came.counted(STATES)}"
    sentence = f"sweep {came.name}: {counted}; python -m pruneexp.status {came.name}{where}"
    if not came.left and not came.numbers("failed"):
        display.note(f"{sentence} shows how far those are that run elsewhere")
        return
    reason = f" ({reason_of(cause)})" if cause is not None else ""
    raise JobFailed(
        f"{sentence} tells why; with hydra.sweeper.retry=true what failed runs again; the same command runs what is "
        f"left{reason}"
    ) from cause
