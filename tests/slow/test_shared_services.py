"""Three machines that share a tracking server and studies on PostgreSQL and a folder of results, against one alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from pruneexp import schema
from sweeps.storing import open_storage
from tests.contracts.composing import SMALL
from tests.contracts.jobs import comparable, numbers, ran
from tests.contracts.postgres import database, postgres
from tests.contracts.tracking_server import tracking_server

pytestmark = pytest.mark.slow

GRID = ("reg=l1,l2", "seed=0,1")
STUDY = (
    "study=layer_thresholds",
    "study.name=shared",
    "study.baselines=[]",
    "study.trials=9",
    "study.starts=4",
    "study.finalists=3",
)


@dataclass(frozen=True)
class Services:
    """What machines share; each works in a folder of its own below ``folder``."""

    folder: Path
    records: str
    studies: str

    def at_once(self, program: Sequence[str], *arguments: str) -> list[str]:
        """The same command on three machines at the same moment: whose locks and working folders nobody else sees."""
        shared = (f"runtime.tracking_uri={self.records}", f"runtime.store={self.folder}/store")
        machines = []
        for name in ("north", "south", "east"):
            own = self.folder / name
            (own / "tmp").mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, "TMPDIR": str(own / "tmp"), "PYTHONPATH": str(Path(__file__).parents[2])}
            command = [sys.executable, "-m", *program, *SMALL, *arguments, *shared, "runtime.threads=1"]
            machines.append(
                subprocess.Popen(
                    command, cwd=own, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
                )
            )
        told = [machine.communicate(timeout=900) for machine in machines]
        assert [machine.returncode for machine in machines] == [0, 0, 0], told
        return [out for out, _ in told]

    def runs(self, kind: str) -> list[Run]:
        client = MlflowClient(self.records)
        found = client.get_experiment_by_name("pruneexp")
        assert found is not None
        return list(client.search_runs([found.experiment_id], f"tags.`{schema.KIND}` = '{kind}'"))

    def numbers(self, points: list[Run]) -> dict[str, dict[str, float]]:
        """Metrics by the key of the point, those that can be compared."""
        return {run.data.tags[schema.POINT_KEY]: comparable(run.data.metrics) for run in points}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    folder = tmp_path_factory.mktemp("shared")
    with postgres() as server, tracking_server(folder, database(server, "records")) as records:
        yield Services(folder, records.address, database(server, "studies"))


def test_a_sweep_of_three_machines_records_the_points_of_one(services: Services, tmp_path: Path) -> None:
    services.at_once(("pruneexp", "-m"), *GRID)
    for reg in ("l1", "l2"):
        for seed in (0, 1):
            ran(tmp_path, f"reg={reg}", f"seed={seed}", "runtime.threads=1")
    points, curves = services.runs("point"), services.runs("curve")
    assert services.numbers(points) == numbers(tmp_path)
    assert len(points) == 8  # each once
    assert len(curves) == 4
    assert {run.info.status for run in (*points, *curves)} == {"FINISHED"}
    assert len(list((services.folder / "files").rglob(schema.LAYERS_FILE))) >= 8


def test_a_study_of_three_machines_tells_each_trial_once(services: Services) -> None:
    services.at_once(
        ("sweeps",), *STUDY, f"study.storage={services.studies}", "criterion=layer_std", "curve.densities=null"
    )
    study = optuna.load_study(study_name="shared", storage=open_storage(services.studies, Path("unused")))
    states = [trial.state.name for trial in study.get_trials()]
    assert states[:9] == ["COMPLETE"] * 9
    assert set(states[9:]) <= {"WAITING"}  # of a worker that asked as another asked for the last
    nested = [run for run in services.runs("point") if "trial" in run.data.params and run.data.params["trial"] != "-1"]
    keys = [run.data.tags[schema.POINT_KEY] for run in nested]
    assert len(set(keys)) == len(keys)
    assert {int(run.data.params["trial"]) for run in nested} >= set(range(9))
    assert len(services.runs("study")) == 1
