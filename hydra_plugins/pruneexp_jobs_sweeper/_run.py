"""From a request to its end: the plan, the jobs that are missing, what came of them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.pruneexp_jobs_sweeper._request import Request
from pruneexp.errors import JobFailed, UserError, redact
from pruneexp.experiment.display import Display
from pruneexp.experiment.pages import show_sweep
from pruneexp.experiment.survey import Surveyor, SweepPlan
from pruneexp.jobs import definition
from pruneexp.jobs.folder import write
from pruneexp.jobs.state import held, write_state
from pruneexp.jobs.summary import Summary, summarise
from pruneexp.places import SWEEPS
from pruneexp.status.live import watching

#: A launcher that died is given what is left again, but no job that died with it more often than this.
_LIVES = 2


def run(asked: Request, config: DictConfig, launcher: Launcher, words: Sequence[str], *, retry: bool) -> None:
    """Show the plan; unless that is all that is wanted, run what is missing and say what came of it.

    Raises:
        UserError: nothing could be started.
        JobFailed: some jobs failed, or are left.
    """
    sys.path += [folder for folder in asked.folders if folder not in sys.path]
    display = Display(bars=config.runtime.progress)
    plan = _plan(asked, display)
    if config.plan:
        return
    definition.claim(asked.folder, asked.definition)
    _remember(asked, words)
    todo = _todo(asked, plan, retry)
    sweep_dir = Path(config.hydra.sweep.dir)
    sweep_dir.mkdir(parents=True, exist_ok=True)
    (sweep_dir / "multirun.yaml").write_text(redact(OmegaConf.to_yaml(config)), encoding="utf-8")
    elsewhere = not config.hydra.launcher._target_.endswith(".BasicLauncher")
    with watching(asked.folder, wanted=elsewhere and config.runtime.progress and bool(todo)) as watched:
        cause = _launch(
            asked, launcher, todo, ["++runtime.progress=false", "++runtime.log=true"] if watched else [], display
        )
    try:
        _conclude(asked, cause, display)
    finally:
        if summarise(asked.folder).points_done:
            places = {(job.config.runtime.tracking_uri, job.config.runtime.experiment): job for job in asked.jobs}
            for job in places.values():
                show_sweep(job.config.runtime, display)


def _plan(asked: Request, display: Display) -> SweepPlan:
    """Look at every job, and print what they ask for together.

    Raises:
        UserError: not one of the jobs can be made here.
    """
    surveyor = Surveyor(display)
    plan = SweepPlan(tuple(surveyor.job(job.config, job.choices, job.own) for job in asked.jobs))
    problems = [job.problem for job in plan.jobs if job.problem is not None]
    if len(problems) == len(plan.jobs):
        raise problems[0]
    display.say(f"sweep {asked.folder.name}")
    for label, text in plan.lines():
        display.say(f"  {label:<9} {text}")
    return plan


def _remember(asked: Request, words: Sequence[str]) -> None:
    """Write down how the sweep was started, for ``--retry-failed``; words with a password in them are left out."""
    kept = [word for word in words if redact(word) == word]
    told = {"folder": str(Path.cwd()), "words": kept, "left_out": len(words) - len(kept)}
    with contextlib.suppress(OSError):
        write(asked.folder.command, json.dumps(told, indent=1))


def _todo(asked: Request, plan: SweepPlan, retry: bool) -> list[int]:
    """The jobs to start; the states of those are set to waiting, and of those recorded whole to done."""
    folder, before = asked.folder, summarise(asked.folder)
    todo = []
    for number, (job, state) in enumerate(zip(plan.jobs, before.states, strict=True)):
        if state.state == "running":
            continue
        fresh = replace(state, points=job.points or state.points, done=job.recorded, reason="", stage="")
        if job.done:
            if state.state != "done" or state.done != job.points:
                write_state(folder, number, replace(fresh, state="done"))
            continue
        if state.state == "failed" and not state.mendable and not retry:
            continue
        todo.append(number)
        if not held(folder, number):
            write_state(folder, number, replace(fresh, state="waiting"))
    return todo


def _launch(
    asked: Request, launcher: Launcher, todo: Sequence[int], more: Sequence[str], display: Display
) -> Exception | None:
    """Run jobs; what a launcher leaves behind that dies of one of them is launched again. The last thing raised."""
    cause: Exception | None = None
    lives = dict.fromkeys(todo, _LIVES)
    while todo:
        try:
            returned = launcher.launch([[*asked.jobs[n].overrides, *more] for n in todo], initial_job_idx=todo[0])
        except Exception as error:  # noqa: BLE001  whatever a launcher dies of, what is done is done
            cause = error
        else:
            return next((job._return_value for job in returned if isinstance(job._return_value, Exception)), cause)  # noqa: SLF001
        states = summarise(asked.folder).states
        for number in todo:
            lives[number] -= states[number].state in ("lost", "killed")
        left = [n for n in todo if states[n].state in ("lost", "killed", "waiting") and lives[n] > 0]
        if len(left) == len(todo) and all(states[n].state == "waiting" for n in todo):
            return cause  # it started none
        if left:
            gave_up = f"the launcher gave up ({redact(_first_line(cause))})"
            display.note(f"{gave_up}; it is given the {len(left)} jobs left again")
        todo = left
    return cause


def _conclude(asked: Request, cause: Exception | None, display: Display) -> None:
    """Say what came of the sweep.

    Raises:
        JobFailed: not everything is done.
        UserError: nothing is, and the request or the machine is at fault.
    """
    came = summarise(asked.folder)
    status = f"python -m pruneexp.status {came.name}"
    if asked.folder.root != SWEEPS:
        status += f" --sweeps {asked.folder.root}"
    if len(came.numbers("done")) == len(came.jobs):
        display.say(f"sweep {came.name}: all {len(came.jobs)} jobs are done, {came.points_done} points")
        return
    if isinstance(cause, UserError) and not came.numbers("done", "running"):
        raise cause
    counted = ", ".join(f"{count} {state}" for state, count in came.counts.items())
    sentence = f"sweep {came.name}: of {len(came.jobs)} jobs {counted}"
    if came.failed:
        sentence += f"; {status} --retry-failed runs what failed again"
    if came.resumable:
        sentence += f"; the same command runs what is left{_because(came, cause)}"
    if not came.numbers("failed", "waiting", "killed", "lost"):
        display.note(f"{sentence} elsewhere; {status} shows how far they are")
        return
    raise JobFailed(sentence) from cause


def _because(came: Summary, cause: Exception | None) -> str:
    return "" if cause is None or came.failed else f" ({_first_line(cause)})"


def _first_line(cause: Exception | None) -> str:
    lines = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {lines[0] if lines else ''}"
