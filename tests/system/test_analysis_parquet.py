"""Files of points: with them or without, from a file or by the client, every reading of a store gives the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import records
from analysis.__main__ import main
from analysis.records import artefacts, reading
from analysis.records.artefacts import Carrier
from analysis.records.client import ClientStore
from analysis.records.runs import PointsFile, RawRun, TrackingStore
from pruneexp.errors import UserError
from pruneexp.schema import LAYERS_FILE, POINTS_FOLDER, LayerRow
from pruneexp.schema.columns import with_layers
from pruneexp.tracking import Tracker, default_uri
from tests.contracts.points import point
from tests.contracts.records import client_of, curve_of, fresh_store, log_point, points_of_runs
from tests.contracts.records import points as point_runs

LAYER = LayerRow(
    layer="conv1", kind="conv", weights_total=500, weights_kept=330, density=0.66, density_effective=0.6, flop=576e3,
    activation_share=0.82, flop_share=0.66, neurons_total=20, neurons_dead=1, bytes_dense=2000, bytes_sparse=1650,
)  # fmt: skip
FILE = "0123456789abcdef.parquet"


class Written:
    """A store of one ended curve of two points, which it carries in a file, and one point that came later."""

    def __init__(self, folder: Path) -> None:
        self.uri, self.tracker = fresh_store(folder), Tracker(default_uri(folder), "pruneexp")
        curve = curve_of(self.tracker)
        for seed in (0, 1):
            log_point(self.tracker, curve, replace(point(seed=seed), layers=(LAYER, replace(LAYER, layer="fc1"))))
        folder = Path(client_of(self.tracker).get_run(curve).info.artifact_uri.removeprefix("file://"), POINTS_FOLDER)
        self.file = folder / FILE
        self.write(self.table())
        self.tracker.update(curve, "FINISHED")
        log_point(self.tracker, curve, replace(point(seed=2), layers=(LAYER,)))

    def table(self) -> pa.Table:
        """What the file holds: every point that is recorded now."""
        logged = points_of_runs(self.uri)
        runs = sorted(point_runs(self.tracker), key=lambda run: str(run.info.run_id))
        layers = {run.info.run_id: _layers(run.info.artifact_uri) for run in runs}
        points = [one._replace(point=replace(one.point, layers=layers[run_id])) for run_id, one in logged.items()]
        ended = pa.array([run.info.end_time for run in runs], pa.int64())
        experiments = pa.array([run.info.experiment_id for run in runs], pa.string())
        return with_layers(points).append_column("ended", ended).append_column("experiment_id", experiments)

    def write(self, table: pa.Table, name: str = FILE) -> None:
        self.file.parent.mkdir(exist_ok=True)
        pq.write_table(table, self.file.with_name(name))

    def from_tables(self) -> pa.Table:
        """What the runs themselves tell."""
        shutil.rmtree(self.file.parent)
        return records.points(self.uri).records


def _layers(artifact_uri: str) -> tuple[LayerRow, ...]:
    text = Path(artifact_uri.removeprefix("file://"), LAYERS_FILE).read_text()
    return tuple(LayerRow(**row) for row in json.loads(text))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "store")


@pytest.fixture(params=["sqlite", "client"])
def read_one_by_one(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose contents were read and typed."""
    found: list[str] = []
    typed = reading._point

    def counted(store: TrackingStore, run: RawRun) -> object:
        found.append(run.run_id)
        return typed(store, run)

    monkeypatch.setattr(reading, "_point", counted)
    if request.param == "client":
        monkeypatch.setattr(reading, "open_store", ClientStore)
    return found


def _ids(book: pa.Table) -> list[str]:
    return list(book["run_id"].to_pylist())


def test_only_what_no_file_holds_is_read_run_by_run(
    written: Written, read_one_by_one: list[str], tmp_path: Path
) -> None:
    book = records.points(written.uri, None, tmp_path / "copies")
    later = [run_id for run_id, one in points_of_runs(written.uri).items() if one.point.identity.seed == 2]
    assert read_one_by_one == later
    assert book.notes == ()
    read_one_by_one.clear()
    assert records.points(written.uri, None, tmp_path / "copies") == book  # the copy holds what the file held
    assert read_one_by_one == []
    assert book.records.equals(written.from_tables())


def _without(name: str) -> Callable[[Written], None]:
    return lambda written: written.write(written.table().drop_columns([name]))


def _two_files(written: Written) -> None:
    table = written.table()
    written.write(table.slice(0, 2), "one.parquet")
    written.write(table.slice(1), "other.parquet")
    written.file.unlink()


def _deleted(written: Written) -> None:
    client_of(written.tracker).delete_run(_ids(written.table())[0])


def _opened_again(written: Written) -> None:
    run_id = _ids(written.table())[0]
    client_of(written.tracker).log_metric(run_id, "test.after.top1", 12.5)
    client_of(written.tracker).set_terminated(run_id)


SAME: dict[str, Callable[[Written], None]] = {
    "an older file, which lacks a column that may be absent": _without("warmup"),
    "an older file, which lacks a column with a default": _without("prunable"),
    "a newer file, with a column more": lambda written: written.write(
        written.table().append_column("new", pa.array([1, 2, 3]))
    ),
    "two stores' files, with one point in both": _two_files,
    "a point that was deleted": _deleted,
    "a point that was opened and changed": _opened_again,
}
REMARKED: dict[str, tuple[Callable[[Written], object], str]] = {
    "half a file": (lambda written: written.file.write_bytes(written.file.read_bytes()[:-9]), "cannot be read"),
    "no Parquet": (lambda written: written.file.write_text("hello"), "cannot be read"),
    "no run ids": (_without("run_id"), "it has no run_id"),
    "no density": (_without("density"), "it has no density"),
    "no ends": (_without("ended"), "it has no ended"),
}


@pytest.mark.usefixtures("read_one_by_one")
@pytest.mark.parametrize("change", SAME)
def test_a_file_tells_what_the_runs_tell(written: Written, change: str) -> None:
    SAME[change](written)
    book = records.points(written.uri)
    assert book.notes == ()
    assert book.records.equals(written.from_tables())


@pytest.mark.usefixtures("read_one_by_one")
@pytest.mark.parametrize("harm", REMARKED)
def test_a_file_that_cannot_be_read_is_passed_over(written: Written, harm: str) -> None:
    change, words = REMARKED[harm]
    change(written)
    book = records.points(written.uri)
    (remark,) = book.notes
    assert FILE in remark
    assert words in remark
    assert book.records.equals(written.from_tables())


def test_files_that_lie_elsewhere_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact import artifact_repository_registry
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    def elsewhere(uri: str, tracking_uri: str) -> LocalArtifactRepository:
        assert tracking_uri == "http://server"
        if uri.endswith("lost"):
            raise MlflowException("The bucket is gone.")
        return LocalArtifactRepository(str(tmp_path / uri.removeprefix("s3://")))

    monkeypatch.setattr(artifact_repository_registry, "get_artifact_repository", elsewhere)
    for run, names in {"a": ("one.parquet", "two.parquet", "notes.txt"), "b": ()}.items():
        (tmp_path / run / POINTS_FOLDER).mkdir(parents=True)
        for name in names:
            (tmp_path / run / POINTS_FOLDER / name).write_text(f"{run} {name}")
    one, two, lost = artefacts.files([Carrier(run, f"s3://{run}") for run in ("a", "b", "lost")], "http://server")
    assert one == PointsFile("points/one.parquet of run a", b"a one.parquet")
    assert two == PointsFile("points/two.parquet of run a", b"a two.parquet")
    assert str(lost.content) == "The bucket is gone"


@pytest.mark.usefixtures("read_one_by_one")
def test_layers_come_from_the_file_and_else_from_the_run(written: Written) -> None:
    runs = {one.point.identity.seed: run_id for run_id, one in points_of_runs(written.uri).items()}
    artefacts = {
        run.info.run_id: Path(run.info.artifact_uri.removeprefix("file://")) for run in point_runs(written.tracker)
    }
    (artefacts[runs[0]] / LAYERS_FILE).unlink()
    found = records.layers(written.uri, [runs[0], runs[2]])
    assert found == {runs[0]: (LAYER, replace(LAYER, layer="fc1")), runs[2]: (LAYER,)}
    (artefacts[runs[2]] / LAYERS_FILE).write_text("[]")
    with pytest.raises(UserError, match=r"^the point of run \w+ has no layers\.$"):
        records.layers(written.uri, [runs[2]])
    (artefacts[runs[2]] / LAYERS_FILE).unlink()
    with pytest.raises(UserError, match=r"^the layers of the point of run \w+ cannot be read: [^\n]+\.$"):
        records.layers(written.uri, [runs[2]])


def test_the_command_prints_the_layers(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = ["--tracking-uri", written.uri]
    assert main(["layers", *uri, "--where", "seed=0", "--where", "seed=1"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[:3] for line in said.splitlines() if "conv1" in line] == [["conv1", "500", "576,000"]]
    assert not {"<!--", "|", "\\"} & set(said.split())
    assert sorted(path.name for path in Path("reports").iterdir()) == [
        "layers.csv", "layers.md", "layers.provenance.json", "layers.tex",
    ]  # fmt: skip
    assert main(["layers", *uri, "--where", "seed=0", "--where", "seed=1"]) == 0
    assert capsys.readouterr().out.split("reports/")[0] == said.split("reports/")[0]  # kept, and shown again
    assert main(["layers", *uri, "--where", "reg=l1"]) == 2
    assert "no point has reg=l1" in capsys.readouterr().err
