"""Whole commands of searches on small data, in this process."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf

from pruneexp.config.skeleton import conf_folder
from pruneexp.tracking import default_uri
from sweeps.__main__ import main
from tests.contracts.composing import SMALL
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store


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
