"""From a list of jobs to its end: the plan, the jobs that are missing, what came of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from hydra_plugins.pruneexp_jobs_sweeper._jobs import ListedSweep
from pruneexp.config.choices import search_folders
from pruneexp.errors import JobFailed, UserError, first_line, redact
from pruneexp.experiment.display import Display
from pruneexp.experiment.pages import show_sweep
from pruneexp.experiment.survey import SweepPlan, survey
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.live import watched
from pruneexp.jobs.progress import progress
from pruneexp.jobs.state import is_held, write_state
from pruneexp.places import SWEEPS

#: A launcher that died is given what is left again, but no job that was begun more often than this.
_ATTEMPTS = 2

#: What a job is told that is watched in a view of all jobs.
_SILENT = ("++runtime.progress=false", "++runtime.log=true")


def run(sweep: ListedSweep, config: DictConfig, launcher: Launcher, words: Sequence[str], *, retry: bool) -> None:
    """Show the plan; unless that is all that is wanted, run what is missing and say what came of it.

    Raises:
        UserError: nothing could be started.
        JobFailed: some jobs failed, or are left.
    """
    sys.path += [folder for folder in search_folders(config.hydra) if folder not in sys.path]
    display, folder = Display(bars=config.runtime.progress), sweep.folder
    plan = _plan(sweep, display)
    if config.plan:
        return
    folder.claim(sweep.definition)
    with contextlib.suppress(OSError):
        folder.remember(words)
    todo = _todo(folder, plan, retry)
    elsewhere = not config.hydra.launcher._target_.endswith(".BasicLauncher")
    with watched(folder, wanted=elsewhere and config.runtime.progress and bool(todo)) as shown:
        overrides = [[*job.overrides, *(_SILENT if shown else ())] for job in sweep.jobs]
        cause = launch(folder, overrides, launcher, todo, display)
    try:
        _conclude(folder, cause, display)
    finally:
        if progress(folder).points_done:
            places = {(job.config.runtime.tracking_uri, job.config.runtime.experiment): job for job in sweep.jobs}
            for job in places.values():
                show_sweep(job.config.runtime, display)


def _plan(sweep: ListedSweep, display: Display) -> SweepPlan:
    """Look at every job, and print what they ask for together.

    Raises:
        UserError: not one of the jobs can be made here.
    """
    plan = survey([(job.config, job.choices, job.own) for job in sweep.jobs], display)
    if (problem := plan.jobs[0].problem) is not None and all(job.problem is not None for job in plan.jobs):
        raise problem
    display.say(f"sweep {sweep.folder.name}")
    for label, text in plan.lines():
        display.say(f"  {label:<9} {text}")
    return plan


def _todo(folder: SweepFolder, plan: SweepPlan, retry: bool) -> list[int]:
    """The jobs to start; the states of those are set to waiting, and of those recorded whole to done."""
    todo = []
    for number, (job, before) in enumerate(zip(plan.jobs, progress(folder).states, strict=True)):
        if before.state == "running" or (before.state == "failed" and not job.done and not retry):
            continue
        points = job.plan.points or before.points
        state = replace(before, points=points, done=job.recorded, stored=job.recorded, reason="", stage="")
        if not job.done:
            todo.append(number)
            if not is_held(folder, number):
                write_state(folder, number, replace(state, state="waiting"))
        elif before.state != "done" or before.done != points:
            write_state(folder, number, replace(state, state="done"))
    return todo


def launch(
    folder: SweepFolder, jobs: Sequence[Sequence[str]], launcher: Launcher, todo: Sequence[int], display: Display
) -> Exception | None:
    """Run jobs; what a launcher leaves behind that dies of one of them is launched again. The last thing raised."""
    cause: Exception | None = None
    before = [state.attempt for state in progress(folder).states]
    attempts = before
    while todo:
        try:
            returned = launcher.launch([jobs[number] for number in todo], initial_job_idx=todo[0])
        except Exception as error:  # noqa: BLE001  whatever a launcher dies of, what is done is done
            cause = error
        else:
            return next((job._return_value for job in returned if isinstance(job._return_value, Exception)), cause)  # noqa: SLF001
        found = progress(folder)
        begun, attempts = attempts, [state.attempt for state in found.states]
        if attempts == begun:
            break  # it started none
        left = set(found.left)
        todo = [number for number in todo if number in left and attempts[number] - before[number] < _ATTEMPTS]
        if todo:
            display.note(f"the launcher gave up ({_said(cause)}); it is given the {len(todo)} jobs left again")
    return cause


def _conclude(folder: SweepFolder, cause: Exception | None, display: Display) -> None:
    """Say what came of the sweep.

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
    counted = ", ".join(f"{count} {state}" for state, count in came.counts.items())
    where = "" if folder.root == SWEEPS else f" --sweeps {folder.root}"
    status = f"python -m pruneexp.status {came.name}{where}"
    sentence = f"sweep {came.name}: of {len(came.jobs)} jobs {counted}; {status}"
    if not came.left and not came.numbers("failed"):
        display.note(f"{sentence} shows how far those are that run elsewhere")
        return
    reason = f" ({_said(cause)})" if cause is not None else ""
    raise JobFailed(
        f"{sentence} --retry-failed runs what failed again, the same command runs what is left{reason}"
    ) from cause


def _said(cause: Exception | None) -> str:
    return redact(f"{type(cause).__name__}: {first_line(cause)}") if cause is not None else "without a word"
