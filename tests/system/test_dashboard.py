"""The command that provisions views: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from pathlib import Path

import pytest

from pruneexp import dashboard
from pruneexp.tracking import Tracker
from pruneexp.tracking.board import TAG_PREFIX, host, opener
from tests.contracts.points import point
from tests.contracts.records import client_of, curve_of, fresh_store, log_failure, log_point


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    return Tracker(fresh_store(tmp_path), "study")


def tags_of_views(tracker: Tracker) -> dict[str, str]:
    tags = client_of(tracker).get_experiment(tracker.experiment_id).tags
    return {key.removeprefix(TAG_PREFIX): text for key, text in tags.items() if key.startswith(TAG_PREFIX)}


def state_of(text: str) -> dict[str, object]:
    plain = zlib.decompress(b64decode(text.removeprefix("deflate;"))).decode() if text.startswith("deflate;") else text
    state = json.loads(plain)
    assert isinstance(state, dict)
    return state


def test_only_views_of_what_is_recorded_are_provisioned_and_linked(
    tracker: Tracker, capsys: pytest.CaptureFixture[str]
) -> None:
    curve = curve_of(tracker)
    for number in range(2):
        log_point(tracker, curve, point(seed=number))
    for _ in range(2):  # again, and nothing is written twice
        assert dashboard.main(["--tracking-uri", tracker.uri, "--experiment", "study"]) == 0
    written = tags_of_views(tracker)
    assert set(written) == {"pruneexp-tradeoff", "pruneexp-seeds", "pruneexp-health"}
    said = capsys.readouterr().out
    page = f"http://127.0.0.1:5000/#/experiments/{tracker.experiment_id}/runs"
    assert f"{page}?viewStateShareKey=pruneexp-tradeoff&compareRunsMode=CHART&workflowType=machine_learning\n" in said
    for key in ("pruneexp-seeds", "pruneexp-health"):  # tables
        assert f"{page}?viewStateShareKey={key}&workflowType=machine_learning\n" in said
    assert f"{page}?workflowType=machine_learning\n" in said
    assert said.endswith(f"mlflow ui --backend-store-uri '{tracker.uri}'\n")
    assert said.count("study: 2 summaries over seeds") == 2
    assert state_of(written["pruneexp-tradeoff"])["runsHiddenMode"] == "SHOW_ALL"


def test_a_failure_and_a_scratch_run_bring_views_of_their_own(tracker: Tracker) -> None:
    curve = curve_of(tracker)
    for mode in ("prune", "scratch_b"):
        log_point(tracker, curve, point(mode=mode))
    log_failure(tracker, curve, {"point_key": "p"}, "the loss was NaN")
    assert dashboard.main(["--tracking-uri", tracker.uri]) == 0
    assert {"pruneexp-prune-vs-scratch", "pruneexp-failures"} <= set(tags_of_views(tracker))


@pytest.mark.parametrize(
    ("uri", "page", "command"),
    [
        ("http://me:secret@host:8080/mlflow/", "http://host:8080/mlflow", None),
        ("https://host", "https://host", None),
        (
            "postgresql://me:secret@db/mlflow",
            "http://127.0.0.1:5000",
            "mlflow ui --backend-store-uri 'postgresql://***@db/mlflow'",
        ),
    ],
)
def test_addresses_hold_no_credentials(uri: str, page: str, command: str | None) -> None:
    assert (host(uri), opener(uri)) == (page, command)


def test_a_port_stands_in_addresses_and_in_the_command(
    tracker: Tracker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log_point(tracker, curve_of(tracker), point())
    assert dashboard.main(["--tracking-uri", tracker.uri, "--port", "5051"]) == 0
    said = capsys.readouterr().out
    assert said.count("http://127.0.0.1:5051/#/experiments/") == said.count("http://") == 4
    assert said.endswith(f"mlflow ui --backend-store-uri '{tracker.uri}' --port 5051\n")
    monkeypatch.setenv("MLFLOW_PORT", "5052")  # mlflow ui reads it too
    assert (host(tracker.uri), opener(tracker.uri)) == (
        "http://127.0.0.1:5052",
        f"mlflow ui --backend-store-uri '{tracker.uri}'",
    )


def test_what_cannot_be_shown_is_one_sentence(tracker: Tracker, capsys: pytest.CaptureFixture[str]) -> None:
    client = client_of(tracker)
    client.delete_experiment(client.create_experiment("gone"))
    missing = Path(tracker.uri.removeprefix("sqlite:///")).with_name("missing.db")
    for arguments, sentence in (
        (["--experiment", "nowhere"], r"has no experiment 'nowhere'; it has (elsewhere, )?study \(--experiment\)"),
        (["--experiment", "study"], r"The experiment 'study' of .* is empty"),
        (["--experiment", "gone"], r"The experiment 'gone' lies deleted in .*mlflow experiments restore"),
        ([], r"has no experiment with runs of pruneexp"),
        (["--tracking-uri", f"sqlite:///{missing}"], r"There is no database .*missing\.db"),
        (["--tracking-uri", "http://127.0.0.1:9"], r"No MLflow server answers at http://127\.0\.0\.1:9"),
        (["--tracking-uri", "gopher://x"], r"starts with none of"),
    ):
        assert dashboard.main(["--tracking-uri", tracker.uri, *arguments]) == 2
        said = capsys.readouterr()
        assert re.search(sentence, said.err), said.err
        assert said.err.count("\n") == 1
        assert said.out == ""
    assert not missing.exists()
