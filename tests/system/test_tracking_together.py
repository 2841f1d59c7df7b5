"""Jobs of one curve at once, on machines that share a result store and a tracking server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp import schema
from pruneexp.tracking import Parent, Tracker
from pruneexp.tracking.notes import Note
from pruneexp.tracking.projection import Projection
from tests.contracts.records import CURVE, ENVIRONMENT, Job, digest, fresh_store, runs

PARENT = Parent("curve", digest("curve"), "a curve", CURVE, {"note": "x"}, "model: lenet5\n", ENVIRONMENT)


def test_a_beginning_that_is_written_after_the_end_of_another_job_does_not_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh_store(tmp_path)
    first, second, third = (Job(tmp_path) for _ in range(3))
    curve, write = first.begin(PARENT), Projection.write
    assert second.begin(PARENT) == curve
    first.recording.close(curve, "FINISHED")

    def late(projection: Projection, note: Note) -> bool:
        monkeypatch.setattr(Projection, "write", write)
        second.recording.close(curve, "FINISHED")
        return write(projection, note)

    monkeypatch.setattr(Projection, "write", late)
    assert third.begin(PARENT) == curve
    third.recording.close(curve, "FINISHED")
    (run,) = runs(Tracker(first.uri, "first"), f"tags.`{schema.KIND}` = 'curve'")
    assert run.info.status == "FINISHED"
