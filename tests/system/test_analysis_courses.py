"""Numbers by epoch and histograms of weights, read from a file and through MLflow's client alike."""

from __future__ import annotations

from pathlib import Path

from analysis import records
from analysis.records.client import ClientStore
from pruneexp.schema import WEIGHTS_FILE, LayerWeights, weights_text
from pruneexp.tracking import Tracker
from tests.contracts.points import point
from tests.contracts.records import client_of, curve_of, fresh_store, log_point

FC1 = LayerWeights(layer="fc1", limit=1.0, dense=(1, 2, 1), cut=(1, 0, 1), after=(1, 0, 1), units=2, inputs=(1, 1))


def test_both_readers_give_courses_and_weights(tmp_path: Path) -> None:
    tracker = Tracker(fresh_store(tmp_path), "pruneexp")
    run_id, other = (str(log_point(tracker, curve_of(tracker), point(seed=seed))) for seed in (0, 1))
    client = client_of(tracker)
    for step, value in ((2, 95.0), (1, 90.0), (3, float("nan"))):
        client.log_metric(run_id, "retrain/val.top1", value, timestamp=10, step=step)
    client.log_metric(run_id, "retrain/val.top1", 96.0, timestamp=20, step=2)  # written again: the last one counts
    tracker.update(run_id, None, files={WEIGHTS_FILE: weights_text([FC1]).encode()})
    names = {run_id: "retrain/val.top1", other: "retrain/val.top1"}
    assert records.courses(tracker.uri, names) == {run_id: {1: 90.0, 2: 96.0}}
    assert ClientStore(tracker.uri).course(run_id, "retrain/val.top1") == {1: 90.0, 2: 96.0}
    assert records.weights(tracker.uri, [run_id, other]) == {run_id: (FC1,)}
