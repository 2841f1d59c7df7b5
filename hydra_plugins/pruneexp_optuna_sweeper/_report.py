"""The end of a sweep by Optuna: a table to read and a file for programs. Loads torch, as the display does."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from hydra_plugins.pruneexp_optuna_sweeper._trials import SearchedJobs
from pruneexp.errors import redact
from pruneexp.experiment.display import Display
from pruneexp.experiment.pages import show_sweep
from pruneexp.places import journal
from sweeps.driver import Worker


def publish(asked: SearchedJobs, worker: Worker, config: DictConfig) -> None:
    """Print the best trial, or the Pareto front, and write it into the folder of the sweep."""
    display, folder = Display(bars=False), Path(config.hydra.sweep.dir)
    name, best = worker.definition.name, asked.best(worker)
    states = Counter(trial.state.name for trial in worker.study().get_trials(deepcopy=False))
    place = redact(asked.storage or str(journal(name)))  # no password in a file
    results = {
        "study": name,
        "storage": place,
        "completed": states["COMPLETE"],
        "failed": states["FAIL"],
        "objectives": dict(asked.objectives),
        "best": [
            {
                "trial": trial.number,
                "values": dict(zip(asked.objectives, trial.values, strict=True)),
                "params": asked.settings(trial),
            }
            for trial in best
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(results), folder / "optimization_results.yaml")
    display.say(f"study {name} in {place}: {states['COMPLETE']} trials completed, {states['FAIL']} failed")
    rows = [[trial.number, *trial.values, *asked.settings(trial).values()] for trial in best]
    if rows:
        display.sheet(["trial", *asked.objectives, *asked.dimensions], [list(map(_cell, row)) for row in rows])
    if OmegaConf.select(config, "runtime.dashboard"):  # the sweeper serves other programs too
        show_sweep(config.runtime, display)


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
