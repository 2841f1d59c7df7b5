"""Sweeps for tests: a folder to run them in, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from mlflow.tracking import MlflowClient

from pruneexp.experiment.display import Display
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.state import JobState, read_state
from pruneexp.training.events import TrainingEvent
from sweeps.__main__ import main
from tests.contracts.records import fresh_store

#: What makes every job of a sweep small.
SMALL = (
    "with: {data: synthetic, model: lenet_300_100, train.epochs: 2, retrain.epochs: 1, device: cpu, "
    "train.schedule: constant, curve.densities: [0.5, 0.1], runtime.progress: false}\n"
)

SWEEPS = Path(".pruneexp/sweeps")


class Folder:
    """A folder of a user's, with an empty database, and ``python -m sweeps`` in it, within this process."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(path)
        self.path, self._patch = path, monkeypatch
        self.client = MlflowClient(fresh_store(path))

    def write(self, name: str, grid: str) -> None:
        (self.path / f"{name}.yaml").write_text(SMALL + grid)

    def __call__(self, *words: str) -> int:
        GlobalHydra.instance().clear()
        return main(words)

    def states(self, name: str) -> list[JobState]:
        folder = SweepFolder(SWEEPS, name)
        return [read_state(folder, number) for number in range(len(list(folder.path.glob("0*.json"))))]

    @property
    def experiment(self) -> str:
        found = self.client.get_experiment_by_name("pruneexp")
        assert found is not None
        return str(found.experiment_id)

    def trained(self) -> list[str]:
        """Stages that are trained from now on."""
        seen: list[str] = []

        def listen(self: Display, event: TrainingEvent) -> None:
            if event.kind == "begin":
                seen.append(event.stage)

        self._patch.setattr(Display, "training", listen)
        return seen

    def at_first_epoch(self, of: str, do: object) -> None:
        """Call ``do`` once, when a stage of this kind has trained its first epoch from now on."""
        left = [do]

        def listen(self: Display, event: TrainingEvent) -> None:
            if (event.kind, event.stage) == ("epoch", of) and left:
                left.pop()()  # type: ignore[operator]

        self._patch.setattr(Display, "training", listen)


def recorded(client: MlflowClient, kind: str = "point", experiment: str = "pruneexp") -> dict[str, Mapping[str, str]]:
    """Tags of every finished run of a kind, by run id."""
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    query = f"tags.`pruneexp.kind` = '{kind}' and attributes.status = 'FINISHED'"
    return {run.info.run_id: run.data.tags for run in client.search_runs([found.experiment_id], query)}
