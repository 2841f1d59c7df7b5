"""The end of a sweep: a table to read and a file for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from hydra_plugins.pruneexp_optuna_sweeper._study import Search
from pruneexp.errors import redact

FILE = "optimization_results.yaml"
ROWS = 10


def publish(search: Search, folder: Path) -> None:
    """Print the best trial, or at most ``ROWS`` of the Pareto front, and write all of it into the folder."""
    request, best = search.request, search.best()
    completed, failed = search.counts()
    place = redact(request.storage or str(request.journal()))  # no password in a file
    results = {
        "study": request.name(),
        "storage": place,
        "completed": completed,
        "failed": failed,
        "objectives": dict(request.objectives),
        "best": [
            {
                "trial": trial.number,
                "values": dict(zip(request.objectives, trial.values, strict=True)),
                "params": search.settings(trial),
            }
            for trial in best
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(OmegaConf.create(results), folder / FILE)
    print(f"study {request.name()} in {place}: {completed} trials completed, {failed} failed")
    head = ["trial", *request.objectives, *request.dimensions]
    rows = [[trial.number, *trial.values, *search.settings(trial).values()] for trial in best]
    if rows:
        print(_table([head, *(list(map(_cell, row)) for row in rows[:ROWS])]))
    if len(rows) > ROWS:
        print(f"and {len(rows) - ROWS} more on the Pareto front: {folder / FILE}")


def _cell(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.rjust, row, widths)) for row in rows)
