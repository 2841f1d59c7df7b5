"""Recording one trade-off point: ``Tracker.record`` against the three calls of MLflow's client that a run needs.

By turns, into the same fresh SQLite store, both write the same params, metrics and tags; ours looks for the point
first, and writes the table of its layers too. Prints medians and their ratio; the same of a user's code in MLflow's
fluent API; and what else is kept of a point: its artefact in the result store, and its notes. Run as ``python -m
benchmarks.recording``.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pruneexp import schema
from pruneexp.cache.store import Artefact, Store
from pruneexp.tracking import Parent, Place, Tracker, default_uri, point_name
from pruneexp.tracking.artefacts import of_point
from pruneexp.tracking.contents import point_run
from pruneexp.tracking.notes import Note

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

POINTS = 40
#: Of ours to the three calls.
LIMIT = 1.15
#: Of the artefact and the notes of a point.
KEPT_LIMIT_MS = 5.0


def example(number: int) -> schema.TradeoffPoint:
    """A point with as many numbers as a real one of LeNet-5 after pruning and retraining."""
    score = schema.Score(loss=0.1, metrics={"top1": 98.0 + number / 1000, "top5": 99.9})
    scores = schema.Scores(dense=score, before=score, after=score)
    effort = schema.Effort(epochs=10, flop=1e12, seconds=12.5, stages=1, cached=1)
    row = schema.LayerRow(
        layer="conv1", kind="conv", weights_total=500, weights_kept=330, density=0.66, density_effective=0.66,
        flop=576e3, activation_share=0.82, flop_share=0.66, neurons_total=20, neurons_dead=0,
        bytes_dense=2000, bytes_sparse=1650,
    )  # fmt: skip
    return schema.TradeoffPoint(
        identity=schema.PointIdentity(
            model="lenet5", data="mnist5k", train="short", reg="l2", reg_strength=5e-4, dropout="none",
            criterion="layer_std", schedule="one_shot", retrain_scope="whole", mode="prune", seed=0,
            budget=schema.Budget("density", 0.1), curve_key="c" * 64, point_key=f"{number:064x}", dense_key="d" * 64,
            mask_key="e" * 64, final_key="f" * 64, data_fingerprint="0" * 64, device="cpu", precision="float32",
        ),
        result=schema.PointResult(
            density_asked=0.1, density=0.1, density_scope=0.1, density_effective=0.1, weights_total=430_500,
            weights_kept=43_050, val=scores, test=scores, flop_dense=4.6e6, flop_weights=7e5, flop_effective=5e5,
            activation_share=0.5, neurons_total=580, neurons_dead=12, bytes_dense=1_722_000, bytes_sparse=215_250,
            ledger=schema.Ledger(dense=effort, prune=effort, retrain=effort, scratch=effort),
        ),
        layers=tuple(replace(row, layer=name) for name in ("conv1", "conv2", "fc1", "fc2")),
    )  # fmt: skip


def bare(client: MlflowClient, experiment: str, point: schema.TradeoffPoint) -> None:
    """The three calls that a run needs: made, filled, ended."""
    from mlflow.entities import Metric, Param

    new = point_run(point, {}, {})
    tags = {
        **new.tags,
        schema.POINT_KEY: f"bare {point.identity.point_key}",
    }  # else ours would find it, and write nothing
    run = client.create_run(experiment, run_name=new.name, tags=tags)
    moment = run.info.start_time
    metrics = [Metric(value.name, float(value.value), moment, value.step) for value in new.values]
    params = [Param(name, str(value)) for name, value in new.params.items() if value is not None]
    client.log_batch(run.info.run_id, metrics=metrics, params=params)
    client.set_terminated(run.info.run_id)


def fluent(point: schema.TradeoffPoint) -> None:
    """Record a point as in MLflow's quick start; a parent run is active."""
    import mlflow

    identity = schema.flatten(point.identity)
    with mlflow.start_run(nested=True, run_name=point_name(identity)):
        mlflow.set_tags({schema.KIND: "point", schema.POINT_KEY: point.identity.point_key})
        mlflow.log_params(identity)
        mlflow.log_metrics(schema.flatten(point.result))
        mlflow.log_dict({"layers": [schema.flatten(row) for row in point.layers]}, schema.LAYERS_FILE)


def keep(store: Store, place: Place, point: schema.TradeoffPoint) -> None:
    """What a job does with a finished point beside writing it into MLflow."""
    key = point.identity.point_key
    store.produce(key, "point", lambda _: Artefact({}, of_point(point, {})))
    place.owe(Note("point", key, {"under": "curve", "tags": {}}))
    note = place.find("point", key)
    assert note is not None
    place.pay(note)


def main() -> int:
    """Print the medians and their ratios; exit status 1 above the limit."""
    with tempfile.TemporaryDirectory(prefix="pruneexp-benchmark-") as folder:
        tracker = Tracker(default_uri(Path(folder)), "recording")
        curve = tracker.begin(Parent("curve", "c" * 64, "ours", {}, {}, "", {}))
        import mlflow
        from mlflow.tracking import MlflowClient

        mlflow.set_tracking_uri(tracker.uri)
        mlflow.set_experiment("recording")
        store, place = Store(Path(folder) / "store"), Place(Path(folder) / "store", tracker.uri, "recording")
        recorded: list[str | None] = []
        ours: list[float] = []
        calls: list[float] = []
        kept: list[float] = []
        theirs: list[float] = []
        client = MlflowClient(tracker.uri)
        with mlflow.start_run(run_name="fluent"):
            for number in range(-3, POINTS):  # three to warm up
                point = example(number % 1_000_003)
                calls.append(_milliseconds(lambda: bare(client, tracker.experiment_id, point)))  # noqa: B023
                ours.append(_milliseconds(lambda: recorded.append(tracker.record(point_run(point, {}, {}), curve))))  # noqa: B023 (called at once)
                kept.append(_milliseconds(lambda: keep(store, place, point)))  # noqa: B023
                theirs.append(_milliseconds(lambda: fluent(point)))  # noqa: B023
    assert None not in recorded
    mine, three, keeping, fluent_ms = (statistics.median(values[3:]) for values in (ours, calls, kept, theirs))
    print(f"three calls   {three:7.1f} ms per point")
    verdict = "met" if mine <= LIMIT * three else "MISSED"
    print(f"record        {mine:7.1f} ms per point; ratio {mine / three:.2f}, at most {LIMIT}: {verdict}")
    print(f"mlflow fluent {fluent_ms:7.1f} ms per point; ratio {mine / fluent_ms:.2f}")
    verdict = "met" if keeping < KEPT_LIMIT_MS else "MISSED"
    print(f"artefact, note{keeping:7.1f} ms per point; under {KEPT_LIMIT_MS:.0f} ms: {verdict}")
    return int(mine > LIMIT * three)


def _milliseconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
