"""What waited in the folder of an earlier version is recorded by the next command, and nothing of it is left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from pruneexp import schema
from pruneexp.places import SPOOL
from pruneexp.tracking import Parent, default_uri
from pruneexp.tracking.artefacts import of_point, read_point
from tests.contracts.jobs import runs
from tests.contracts.records import CURVE, ENVIRONMENT, Job, digest, fresh_store, kept_point


def test_a_stored_point_keeps_the_flag_and_what_waited_for_an_earlier_version_is_recorded(tmp_path: Path) -> None:
    fresh_store(tmp_path)
    job = Job(tmp_path)
    parent = Parent("curve", digest("curve"), "a curve", CURVE, {}, "model: lenet5\n", ENVIRONMENT)
    now = of_point(replace(kept_point("now"), disconnected=True), {})
    assert read_point(now).point.disconnected
    for name, made in (("now", now), ("earlier", of_point(kept_point("earlier"), {}))):
        body = {key: value for key, value in {**made, "tags": {"t": name}}.items() if key != "recorded"}
        if name == "earlier":  # which did not say
            del body["disconnected"]
        about = {"kind": "point", "key": digest(name), "body": body, "parent": waited(parent)}
        left(tmp_path / SPOOL, "point", about)
    left(tmp_path / SPOOL, "ending", {"kind": "ending", "key": parent.key, "body": {"status": "FINISHED"},
                                      "parent": waited(parent)})  # fmt: skip
    job.recording.open()
    found = {run.data.tags[schema.POINT_KEY]: run for run in runs(tmp_path, experiment="first")}
    assert {key for key, run in found.items() if schema.DISCONNECTED in run.data.tags} == {digest("now")}
    assert {key: run.data.tags["t"] for key, run in found.items()} == {
        digest(name): name for name in ("now", "earlier")
    }
    assert {run.info.start_time for run in found.values()} == {1_700_000_000_000}
    assert [run.info.status for run in runs(tmp_path, "curve", "first")] == ["FINISHED"]
    assert list((tmp_path / SPOOL).rglob("*-*.json")) == []


def waited(parent: Parent) -> dict[str, object]:
    """What a record of an earlier version said of the curve above it."""
    return {name: value for name, value in asdict(parent).items() if name != "recorded"}


def left(spool: Path, kind: str, letter: Mapping[str, object]) -> None:
    """A record that waits, as an earlier version left it."""
    folder = spool / ("0" * 32)
    folder.mkdir(parents=True, exist_ok=True)
    uri = default_uri(spool.parents[1])
    (folder / "store.json").write_text(json.dumps({"uri": uri, "experiment": "first"}))
    content = {"format": 1, "written": 1_700_000_000_000_000_000, "letter": letter, "checksum": "0"}
    (folder / f"{kind}-{letter['key']}-0000.json").write_text(json.dumps(content))
