"""A store that is ready at once, one point made by hand, and what was written of it."""

from __future__ import annotations

import atexit
import functools
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from analysis.records import open_store
from analysis.records.reading import _point
from pruneexp import schema
from pruneexp.cache.store import Artefact, Store
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
from pruneexp.tracking import Parent, Place, Recording, Tracker, contents, default_uri
from pruneexp.tracking.artefacts import of_parent, of_point
from pruneexp.tracking.projection import Projection

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

Found = TypeVar("Found")

CURVE = {"model": "lenet5", "reg": "l2", "schedule": "one_shot", "mode": "prune", "seed": 3}
ENVIRONMENT = {"git": {"commit": "a" * 40, "dirty": False}, "packages": {"torch": "2"}}


def point(key: str, density: float = 0.1, *, top5: float | None = 99.5) -> schema.TradeoffPoint:
    score = schema.Score(loss=1 / 3, metrics={"top1": 98.76543210987654} | ({} if top5 is None else {"top5": top5}))
    scores = schema.Scores(dense=score, after=replace(score, metrics={**score.metrics, "top1": 97.1}))
    row = schema.LayerRow(
        layer="conv1", kind="conv", weights_total=500, weights_kept=330, density=0.66, density_effective=0.6,
        flop=576e3, activation_share=0.82, flop_share=0.66, neurons_total=20, neurons_dead=1, bytes_dense=2000,
        bytes_sparse=1650,
    )  # fmt: skip
    return schema.TradeoffPoint(
        identity=schema.PointIdentity(
            model="lenet5", data="mnist5k", train="short", reg="l2", reg_strength=1e-4, dropout="none",
            criterion="layer_std", schedule="one_shot", retrain_scope="whole", mode="prune", seed=3,
            budget=schema.Budget("density", density), curve_key="curve", point_key=key, dense_key="d", mask_key="m",
            final_key="f", data_fingerprint="0" * 64, device="cpu", precision="float32",
        ),
        result=schema.PointResult(
            density_asked=density, density=0.66, density_scope=0.66, density_effective=0.6, weights_total=500,
            weights_kept=330, val=scores, test=replace(scores, before=score), flop_dense=2.0**60, flop_weights=7e5,
            flop_effective=5e5, activation_share=0.5, neurons_total=580, neurons_dead=12, bytes_dense=2000,
            bytes_sparse=1650, ledger=schema.Ledger(dense=schema.Effort(epochs=2.5, flop=1e12, seconds=0.1, stages=1)),
        ),
        layers=(row, replace(row, layer="fc1")),
        collapsed=("conv2", "fc1"),
    )  # fmt: skip


@functools.cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="pruneexp-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Tracker(default_uri(folder), "elsewhere")
    return folder / "mlflow.db"


def fresh_store(folder: Path) -> str:
    """URI of a new database in ``folder``, a copy of one made once per process: making one takes three seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(_template(), folder / "mlflow.db")
    return default_uri(folder)


def digest(name: str) -> str:
    """A key as those of results are."""
    return hashlib.sha256(name.encode()).hexdigest()


#: A curve to record points under.
PARENT = Parent("curve", digest("curve"), "a curve", CURVE, {"note": "x"}, "model: lenet5\n", ENVIRONMENT)


def kept_point(name: str) -> schema.TradeoffPoint:
    """A point under keys that a result store takes, of the curve ``digest("curve")``."""
    made = point(digest(name))
    return replace(made, identity=replace(made.identity, curve_key=digest("curve")))


class Job:
    """What records points as a job does: an artefact of the result store first, and what is owed after it."""

    def __init__(
        self,
        folder: Path,
        experiment: str = "first",
        *,
        uri: str | None = None,
        patient: bool = False,
        say: Callable[[str], None] = print,
    ) -> None:
        self.store, self.uri = Store(folder / "store"), uri or default_uri(folder)
        self.recording = Recording(
            self.uri, experiment, self.store, folder / ".pruneexp" / "owed", patient=patient, say=say
        )
        self.place = Place(self.store.root, self.uri, experiment)

    def begin(self, parent: Parent) -> str:
        self.store.produce(parent.key, parent.kind, lambda _: Artefact({}, of_parent(parent)))
        return self.recording.begin(parent)

    def point(
        self,
        under: str,
        name: str,
        tags: Mapping[str, str] | None = None,
        numbers: Mapping[str, float] | None = None,
    ) -> str:
        """Record the point of a name; its key."""
        made = kept_point(name)
        self.store.produce(digest(name), "point", lambda _: Artefact({}, of_point(made, numbers or {})))
        self.recording.point(under, digest(name), tags or {})
        return digest(name)


def projected(job: Job) -> None:
    """Write what is owed."""
    tracker = Tracker(job.uri, "first")
    job.place.recognise(tracker.made)
    done = Projection(job.place, job.store, tracker).write_owed(print)
    assert done.stuck is None


def asked_again(folder: Path, *names: str) -> None:
    """A job of the curve ``digest("curve")`` with these points, from beginning to end."""
    job = Job(folder)
    curve = job.begin(Parent("curve", digest("curve"), "a curve", CURVE, {"note": "x"}, "a: 1\n", ENVIRONMENT))
    for name in names:
        job.point(curve, name)
    job.recording.close(curve, "FINISHED")
    assert job.place.records() == 0


def client_of(tracker: Tracker) -> MlflowClient:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracker.uri)


def curve_of(tracker: Tracker, key: str = "curve") -> str:
    return tracker.begin(Parent("curve", key, "a curve", CURVE, {"note": "x"}, "model: lenet5\n", ENVIRONMENT))


def log_point(
    tracker: Tracker,
    under: str,
    made: schema.TradeoffPoint,
    tags: Mapping[str, str] | None = None,
    numbers: Mapping[str, float] | None = None,
) -> str | None:
    """Write the run of a point below that of a curve or study."""
    return tracker.record(contents.point_run(made, tags or {}, numbers or {}), under)


def log_failure(tracker: Tracker, under: str, identity: Mapping[str, Any], reason: str) -> str | None:
    """Write the run of a point that failed."""
    return tracker.record(contents.failure_run(identity, reason, {}), under)


def log_scan(tracker: Tracker, scan: schema.Scan, config_yaml: str, environment: Mapping[str, Any]) -> str | None:
    """Write the run of a scan."""
    return tracker.record(contents.scan_run(scan, config_yaml, environment))


def runs(tracker: Tracker, query: str) -> list[Run]:
    return list(client_of(tracker).search_runs([tracker.experiment_id], query))


def points(tracker: Tracker) -> list[Run]:
    return runs(tracker, f"tags.`{schema.KIND}` = 'point'")


def written(write: Callable[[], Found]) -> Found:
    """What ``write`` gives, at a second attempt where the store refused the first, as a ``Recording`` makes it."""
    try:
        return write()
    except UserError:
        return write()


def artefact(run: Run, name: str) -> str:
    return Path(unquote(urlsplit(run.info.artifact_uri).path), name).read_text(encoding="utf-8")


def sqlite_file(tracker: Tracker) -> Path:
    return Path(tracker.uri.removeprefix("sqlite:///"))


def points_of_runs(uri: str) -> dict[str, LoggedPoint]:
    """Every finished point as its own run tells it, without its layers, by run id in their order."""
    store = open_store(uri)
    found = [run for run in store.runs("point", list(store.experiments())) if run.status == "FINISHED"]
    return {run.run_id: _point(store, run) for run in sorted(found)}
