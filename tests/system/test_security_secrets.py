"""Attacks by names, and secrets in addresses: nothing is written elsewhere, and no password is kept or said."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from analysis import records
from hydra_plugins.pruneexp_optuna_sweeper._space import read
from hydra_plugins.pruneexp_optuna_sweeper._trials import SearchedJobs
from pruneexp.config import skeleton
from pruneexp.config.checks import check_study_name
from pruneexp.config.complaints import complaint
from pruneexp.config.sweep import check_command
from pruneexp.errors import JobFailed, UserError
from pruneexp.tracking import Parent, Tracker
from sweeps.__main__ import main as sweeps
from sweeps.driver import Definition
from sweeps.storing import open_storage
from sweeps.studies import layer_thresholds
from tests.contracts.records import ENVIRONMENT, client_of, fresh_store, log_failure, log_point, point

URIS = [
    "postgresql://ann:s3cret@db:5432/mlflow",
    "postgresql+psycopg://ann:half/s3cret@db/mlflow",
    "http://ann:half@s3cret@lab:5000",
    "http://ann:half@other/s3cret@lab:5000",
    "mysql://db/mlflow?user=ann&password=s3cret",
    "https://lab/?token=s3cret",
    "https://lab/?api_key=s3cret&page=1",
]


@pytest.mark.parametrize("uri", URIS)
def test_no_sentence_says_a_password(uri: str) -> None:
    for error in (UserError(f"{uri} failed"), JobFailed(f"1 of 2 points failed: {uri}"), RuntimeError(f"lost {uri}")):
        assert "s3cret" not in complaint(error)
        assert "://" in complaint(error)
    wrapped = RuntimeError("while composing")
    wrapped.__cause__ = UserError(uri)
    assert "s3cret" not in complaint(wrapped)


def test_no_record_keeps_a_password(tmp_path: Path) -> None:
    tracker = Tracker(fresh_store(tmp_path), "pruneexp")
    secrets = "\n".join(f"key{number}: {uri}" for number, uri in enumerate(URIS))
    curve = tracker.begin(Parent("curve", "k", "a curve", {"note": secrets}, {"why": secrets}, secrets, ENVIRONMENT))
    log_failure(tracker, curve, {"point_key": "p", "note": secrets}, f"lost {URIS[0]}")
    log_point(tracker, curve, point("q"), tags={"where": URIS[1]})
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path.name for path in files if b"s3cret" in path.read_bytes()] == []


@pytest.mark.parametrize("uri", [*URIS, "postgresql+psycopg://ann:s3cret@127.0.0.1:1/studies"])
def test_a_storage_that_cannot_be_used_is_told_without_its_password(uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        open_storage(uri.replace("@db", "@127.0.0.1"), tmp_path / "journal")
    assert "s3cret" not in str(caught.value)
    assert "://" in str(caught.value)


@pytest.mark.parametrize("uri", URIS)
def test_no_reader_of_records_says_a_password(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*arguments: object, **named: object) -> None:
        raise MlflowException(f"cannot open {uri}\nat all")

    for look in ("knock", "_look_first"):
        monkeypatch.setattr(f"analysis.records.client.{look}", lambda uri: None)
    monkeypatch.setattr("mlflow.MlflowClient", unreadable)
    with pytest.raises(UserError, match=r"the tracking store .* cannot be read: cannot open ") as caught:
        records.points(uri)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("uri", URIS)
def test_a_search_keeps_no_password_and_goes_on_after_it_has_changed(uri: str) -> None:
    def asked(line: str) -> Definition:
        dimensions, fixed = read(["seed=range(0,9)", line])
        return SearchedJobs(
            dimensions=dimensions, fixed=fixed, objectives={}, trials=1, n_jobs=1, sampler="tpe", seed=0, storage=None,
            study=None,
        ).definition()  # fmt: skip

    first = asked(f"+data.source='{uri}'")
    assert "s3cret" not in str(first)
    assert asked(f"+data.source='{uri.replace('s3cret', 'other')}'") == first
    assert asked(f"+data.source='{uri}x&other=1'").name != first.name


@pytest.mark.parametrize("name", ["..", "../../evil", "/tmp/evil", "a/../../b", "~/evil"])
def test_no_experiment_is_kept_elsewhere(tmp_path: Path, name: str) -> None:
    tracker = Tracker(fresh_store(tmp_path), name)
    location = client_of(tracker).get_experiment(tracker.experiment_id).artifact_location
    folder = Path(location.removeprefix("file://"))
    assert folder.resolve().parent == (tmp_path / "mlruns").resolve()


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "hydra/sweeper=optuna", "hydra.sweeper.study=../../evil", "train.lr=interval(0.01,0.1)"],
        ["-m", "hydra/sweeper=optuna", "hydra.sweeper.study=/tmp/evil", "train.lr=interval(0.01,0.1)"],
    ],
)
def test_no_study_is_kept_elsewhere(words: list[str]) -> None:
    skeleton.register()
    with pytest.raises(UserError, match="a study's name is of letters"):
        check_command(words)


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a/b", "..", ".hidden", "a\nb", "~/evil"])
def test_no_name_of_a_study_is_a_path(name: str) -> None:
    with pytest.raises(UserError, match="a study's name is of letters, digits"):
        check_study_name("study.name", name)
    check_study_name("study.name", "lenet-5_l1+l2.v2")


def test_no_file_keeps_a_study_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("sent/study")
    folder.mkdir(parents=True)
    (folder / "evil.yaml").write_text("defaults: [layer_thresholds, _self_]\nname: ../../../evil\n")
    assert sweeps(["--config-dir", "sent", "study=evil", "data=synthetic", "model=lenet_300_100"]) == 2
    assert "study.name=../../../evil: a study's name is of letters" in capsys.readouterr().err
    assert not Path(".pruneexp").exists()


def test_a_choice_in_a_folder_of_its_group_makes_no_path_of_an_automatic_name() -> None:
    assert layer_thresholds._automatic("../../../evil", "mnist", "l1") == "layer_thresholds-..-..-..-evil-mnist-l1"
