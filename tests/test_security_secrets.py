"""Attacks by names, and secrets in addresses: nothing is written elsewhere, and no password is kept or said."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp.config import skeleton
from pruneexp.config.complaints import complaint
from pruneexp.config.sweep import check_command
from pruneexp.errors import JobFailed, UserError
from pruneexp.tracking import Parent, Tracker
from sweeps.storing import open_storage
from tests.contracts.records import ENVIRONMENT, client_of, fresh_store, point

URIS = [
    "postgresql://ann:s3cret@db:5432/mlflow",
    "postgresql+psycopg://ann:half/s3cret@db/mlflow",
    "http://ann:half@s3cret@lab:5000",
    "http://ann:half@other/s3cret@lab:5000",
    "mysql://db/mlflow?user=ann&password=s3cret",
    "https://lab/?token=s3cret",
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
    tracker.log_failure(curve, {"point_key": "p", "note": secrets}, f"lost {URIS[0]}")
    tracker.log_point(curve, point("q"), tags={"where": URIS[1]})
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path.name for path in files if b"s3cret" in path.read_bytes()] == []


def test_a_storage_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        open_storage("postgresql+psycopg://ann:s3cret@127.0.0.1:1/studies", tmp_path / "journal")
    assert "s3cret" not in str(caught.value)


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
