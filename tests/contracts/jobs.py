"""Small jobs for tests: built, or run whole, in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from omegaconf import DictConfig

from pruneexp import schema
from pruneexp.experiment.build import Job, build
from pruneexp.experiment.run import run
from pruneexp.experiment.spec import read
from tests.contracts.composing import composed, small
from tests.contracts.records import fresh_store

SMALL_NETWORK = ("data=synthetic", "model=lenet_300_100", "device=cpu", "train.epochs=2", "retrain.epochs=1")


def built(*overrides: str) -> Job:
    """The small job, instantiated; nothing is computed or written."""
    return job_of(*composed(*SMALL_NETWORK, *overrides))


def job_of(config: DictConfig, choices: Mapping[str, str], own: Sequence[str] = ()) -> Job:
    """The job of a composed configuration; nothing is computed or written."""
    return build(read(config, choices, own))


def ran(folder: Path, *overrides: str) -> None:
    """Run the small job, with store and records below ``folder``; its database is there at once."""
    if not (folder / "mlflow.db").exists():
        fresh_store(folder)
    run(*small(folder, *overrides))


def runs(folder: Path, kind: str = "point", experiment: str = "pruneexp") -> list[Run]:
    """Recorded runs of one kind, oldest first."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    query = f"tags.`{schema.KIND}` = '{kind}'"
    return list(client.search_runs([found.experiment_id], query, order_by=["attributes.start_time ASC"]))


def numbers(folder: Path) -> dict[str, dict[str, float]]:
    """Metrics of every finished point by its key, those that can be compared."""
    return {
        run.data.tags[schema.POINT_KEY]: comparable(run.data.metrics)
        for run in runs(folder)
        if run.info.status == "FINISHED"
    }


def summaries(folder: Path) -> list[tuple[str, str, dict[str, float]]]:
    """Name, status and numbers of every summary over seeds, those numbers that can be compared; by name."""
    found = [(run.info.run_name, run.info.status, comparable(run.data.metrics)) for run in runs(folder, "summary")]
    return sorted(found, key=lambda one: one[0])


def comparable(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics without those that a clock or the store has a say in."""
    return {
        name: value for name, value in metrics.items() if not name.endswith(("seconds", ".cached", schema.CACHE_HITS))
    }
