"""Whole commands of searches on small data, in this process."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial

from pruneexp.config.skeleton import conf_folder
from pruneexp.tracking import default_uri
from sweeps.__main__ import main
from sweeps.storing import open_storage
from tests.contracts.composing import SMALL
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store

#: A search whose trials are told under the name ``mine``.
STUDY = (
    "study=layer_thresholds", "study.name=mine", "study.baselines=[]", "study.starts=4", "study.finalists=3",
    "retrain.epochs=2",
)  # fmt: skip
LAYERS = ("fc1", "fc2", "fc3")


def shipped(study: str, **options: Any) -> DictConfig:
    """A study's own YAML with some options changed; made without Hydra, which takes fifty times as long."""
    node = OmegaConf.load(Path(conf_folder(), "study", f"{study}.yaml"))
    if "study" in node:
        node = node.study
    assert isinstance(node, DictConfig)
    for key, value in options.items():
        assert key in node
        node[key] = value
    return node


def recording(folder: Path) -> Path:
    """The folder, made, with a tracking store that is ready at once."""
    fresh_store(folder)
    return folder


def swept(folder: Path, *arguments: str) -> int:
    """``python -m sweeps`` with the small job, in a folder of the user's but in this process; its exit status."""
    with contextlib.chdir(folder):
        return main([*SMALL, *arguments])


def places(folder: Path) -> tuple[str, str]:
    """Overrides by which another command computes and records where ``swept`` does."""
    return f"runtime.store='{folder}/.pruneexp/store'", f"runtime.tracking_uri='{default_uri(folder)}'"


def nested(folder: Path) -> list[Run]:
    """The points under the first study that was recorded, in the order of their trials."""
    study = runs(folder, "study")[0]
    found = [run for run in runs(folder) if run.data.tags["mlflow.parentRunId"] == study.info.run_id]
    return sorted(found, key=lambda run: (int(run.data.params["trial"]), run.info.start_time))


def told(folder: Path, name: str = "mine") -> list[FrozenTrial]:
    """The trials of a study that lies in the folder's journal."""
    storage = open_storage(None, folder / ".pruneexp" / "studies" / f"{name}.journal")
    return optuna.load_study(study_name=name, storage=storage).get_trials()


def outcomes(trials: Sequence[FrozenTrial]) -> list[tuple[int, str, dict[str, Any], list[float] | None]]:
    """Number, state, params and values of each."""
    return [(trial.number, trial.state.name, trial.params, trial.values) for trial in trials]


def levels(point: Run) -> dict[str, float]:
    """What a trial's point says was asked of each layer."""
    return {name: point.data.metrics[f"level/{name}"] for name in LAYERS}


def epochs(point: Run) -> int:
    """Of retraining."""
    return int(point.data.params["retrain_epochs"])


def scale(shares: dict[str, float]) -> str:
    """The override by which ``python -m pruneexp`` cuts as a trial did."""
    return "+criterion.allocation.scale={" + ",".join(f"{name}:{share!r}" for name, share in shares.items()) + "}"
