"""One composed configuration, opened: its job, the store it computes in, and the tracking store it records in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from omegaconf import DictConfig, OmegaConf

from pruneexp import schema
from pruneexp.cache.store import Artefact, Checkpoint, Store
from pruneexp.config.skeleton import RuntimeConfig
from pruneexp.errors import Infeasible, UserError, redact
from pruneexp.experiment.alike import ANEW, Alike
from pruneexp.experiment.build import Job, build
from pruneexp.experiment.courses import CourseListener, courses
from pruneexp.experiment.display import Display
from pruneexp.experiment.identity import AskedBy, identity
from pruneexp.experiment.points import assemble
from pruneexp.experiment.spec import JobSpec, read
from pruneexp.jobs.state import JobLog
from pruneexp.places import OWED
from pruneexp.provenance import environment
from pruneexp.schema import Budget, PointIdentity, PointResult, TradeoffPoint
from pruneexp.signals import StopRequest
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Route, Runner
from pruneexp.stages.setting import Setting
from pruneexp.stages.together import train_together
from pruneexp.tracking import Parent, Recording, default_uri, monitored
from pruneexp.tracking.artefacts import of_parent, of_point, read_point
from pruneexp.tracking.runs import source
from pruneexp.training.events import Listener

#: What the points of one curve differ in.
OF_A_POINT = ("budget.kind", "budget.value", "point_key", "mask_key", "final_key")


@dataclass(frozen=True)
class Record:
    """A run that holds points: that of a curve or of a search."""

    recording: Recording
    name: str

    def run_id(self) -> str | None:
        """Its id in the tracking store, where it has arrived there."""
        return self.recording.run_of(self.name)

    def summarise(self, numbers: Mapping[str, float]) -> None:
        """Put numbers on the run itself."""
        self.recording.summarise(self.name, numbers)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Say at the end how it ended: FINISHED, KILLED by Ctrl-C, or FAILED."""
        try:
            yield
        except KeyboardInterrupt:
            self.recording.close(self.name, "KILLED")
            raise
        except BaseException:
            self.recording.close(self.name, "FAILED")
            raise
        self.recording.close(self.name, "FINISHED")


@dataclass(frozen=True)
class Session:
    """What every command needs of a job; nothing is computed or recorded by opening it."""

    job: Job
    store: Store
    runner: Runner
    display: Display
    recording: Recording
    live: CourseListener

    @property
    def spec(self) -> JobSpec:
        """What was asked for."""
        return self.job.spec

    @property
    def choices(self) -> Mapping[str, str]:
        """The option of each group."""
        return self.spec.choices

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Where things go, for people."""
        records = f"{redact(self.recording.uri)}, experiment {self.spec.runtime.experiment}"
        return (("threads", str(torch.get_num_threads())), ("store", str(self.store.root)), ("records", records))

    def check_records(self) -> None:
        """Open the tracking store before any work; raises as ``open_curve`` does."""
        self.recording.open()

    def identity(self, budget: Budget, route: Route, by: AskedBy | None = None) -> PointIdentity:
        return identity(self.job, budget, route, by)

    def open_curve(self, of: PointIdentity) -> Record:
        """The run of the curve that a point belongs to.

        Raises:
            UserError: the tracking store cannot be used; better said before any work than after it.
        """
        shared = {name: value for name, value in schema.flatten(of).items() if name not in OF_A_POINT}
        return self._begin("curve", of.curve_key, "", shared)

    def open_study(self, key: str, name: str, params: Mapping[str, Any]) -> Record:
        """The run of a search, made or found again by its key; raises as ``open_curve`` does."""
        return self._begin("study", key, name, params)

    def _begin(self, kind: Literal["curve", "study"], key: str, name: str, params: Mapping[str, Any]) -> Record:
        parent = Parent(kind, key, name, params, self._tags(), self.resolved(), self.environment())
        self.store.produce(key, kind, lambda _: Artefact({}, of_parent(parent)))
        return Record(self.recording, self.recording.begin(parent))

    def record_scan(self, scan: schema.Scan) -> None:
        """Record a sensitivity scan, unless it is recorded already."""
        self.recording.scan(scan.identity, self.resolved(), self.environment())

    def _tags(self) -> dict[str, str]:
        """The sweep of a job, what its numbers leave out, what the user wants; a record keeps the tags it has."""
        runtime = self.spec.runtime
        wanted = {str(name): str(value) for name, value in (runtime.tags or {}).items()}
        own = {} if runtime.sweep is None else {schema.SWEEP: runtime.sweep, schema.JOB: str(runtime.job)}
        left_out = {schema.OVERLOOKED: self.job.overlooked} if self.job.overlooked else {}
        return {**wanted, **own, **left_out}

    def _tags_of_points(self) -> dict[str, str]:
        """With the commit that computes them: their curve may have been begun by another one."""
        return {**source(self.environment()), **self._tags()}

    def monitored(self, record: Record) -> AbstractContextManager[None]:
        """Log the load of the machine on a run meanwhile, where ``runtime.system_metrics`` asks for it."""
        run_id = record.run_id() if self.spec.runtime.system_metrics else None
        return nullcontext() if run_id is None else monitored(self.recording.uri, run_id)

    def resolved(self) -> str:
        """The whole configuration as YAML."""
        return self.spec.yaml()

    def environment(self) -> dict[str, object]:
        gpu = torch.cuda.get_device_name() if self.job.setting.learner.device.type == "cuda" else None
        return environment(accelerator=gpu, threads=torch.get_num_threads())

    def train_together(self, record: Record, identities: Sequence[PointIdentity], routes: Sequence[Route]) -> None:
        """Train at once what several of these points lack, where a trainer gains by that; numbers are the same without.

        Raises:
            UserError: the request or the machine is at fault.
        """
        pairs = zip(identities, routes, strict=True)
        asked = [(of, route) for of, route in pairs if not self.store.has(of.point_key)]
        for of, route in asked:
            self.live.expect(record.name, route, of.primary)
        train_together(self.runner, [route for _, route in asked])

    def point(
        self,
        record: Record,
        of: PointIdentity,
        route: Route,
        numbers: Callable[[PointResult], Mapping[str, float]] = lambda _: {},
    ) -> TradeoffPoint:
        """The point, computed unless it is in the store, and recorded; a failure is recorded, and raised.

        ``numbers`` gives more metrics of it, by its result.

        Raises:
            UserError: the request or the machine is at fault.
            PointFailed: this point cannot be computed; others may.
        """
        self.live.expect(record.name, route, of.primary)
        try:
            point = self._stored(of, route, numbers)
        except Exception as error:  # a diverged training, too little memory, a bug in a user's network
            if isinstance(error, UserError) and not isinstance(error, Infeasible):
                raise
            if isinstance(error, Abandoned):
                for step in route.steps:
                    self.store.discard(step.key)  # no worker goes on with it
                raise
            reason = f"{type(error).__name__}: {error}"
            record.recording.failure(record.name, schema.flatten(of), reason, self._tags_of_points())
            raise PointFailed(reason) from error
        record.recording.point(record.name, of.point_key, self._tags_of_points())
        return point

    def _stored(
        self, of: PointIdentity, route: Route, numbers: Callable[[PointResult], Mapping[str, float]]
    ) -> TradeoffPoint:
        """The point as it is stored, under the number that the trial has which asks for it now."""

        def make(_: Checkpoint) -> Artefact:
            costs = {name: cost.value for name, cost in self.job.costs.items()}
            point = assemble(of, route, self.runner, self.job.setting.learner, costs)
            return Artefact({}, of_point(point, numbers(point.result), courses(route, self.runner, of.primary)))

        made, _ = self.store.produce(of.point_key, "point", make)
        point = read_point(made.record).point
        return replace(point, identity=replace(point.identity, trial=of.trial))

    def seeded(self, seed: int) -> Session:
        """The same session with another seed, built anew: data, networks and all."""
        if seed == self.spec.seed:
            return self
        return replace(self, job=build(self.spec.seeded(seed), self.job.setting.listeners))

    def scaled(self, scale: Mapping[str, float]) -> Session:
        """The same session with these factors of each layer's share (``criterion.allocation.scale``).

        Raises:
            UserError: the allocation chosen knows no factors.
        """
        setting = self.job.setting
        if not hasattr(setting.cut.value.allocation, "scale"):
            raise UserError(
                f"criterion={self.choices['criterion']} has no share of its own for each layer; "
                "choose criterion=layer_std (qualities) or criterion=layer_magnitude (densities)"
            )
        return self._varied(replace(setting, cut=setting.cut.changed("allocation", scale=dict(scale))))

    def retrained_for(self, epochs: int) -> Session:
        """The same session with another number of retraining epochs."""
        setting = self.job.setting
        return self._varied(replace(setting, retraining=setting.retraining.lasting(epochs)))

    def watched(self, watch: Listener) -> Session:
        """The same session with a listener more to its trainings."""
        setting = self.job.setting
        return self._varied(replace(setting, listeners=(*setting.listeners, watch)))

    def _varied(self, setting: Setting) -> Session:
        return replace(self, job=replace(self.job, setting=setting))

    def dense_only(self) -> tuple[Route, ...]:
        """The part of the job that every search starts from, for plans."""
        return (Route((train_dense(self.job.setting),)),)


class Abandoned(Exception):
    """Work given up on purpose, not failed; raised by what watches it."""


class PointFailed(Exception):
    """One point could not be computed; it is recorded as failed. The text is the reason."""


def open_session(
    config: DictConfig,
    choices: Mapping[str, str],
    own: Sequence[str] = (),
    display: Display | None = None,
    stop: StopRequest | None = None,
    report: JobLog | None = None,
    alike: Alike = ANEW,
) -> Session:
    """Build the job of a configuration. ``own`` are modules of the user's that a ``_target_`` may name.

    After ``notice`` nothing more is begun, and what is being trained is saved. ``report`` is told of every training,
    as the display is; what a plan made for other jobs ``alike`` is not made again.

    Raises:
        UserError: a part cannot be made, or does not fit the others, or the store cannot be used.
    """
    spec = read(config, choices, own)
    shown, runtime = display or Display(bars=spec.runtime.progress), spec.runtime
    store = Store(Path(runtime.store), checkpoint_every=runtime.checkpoint_seconds, on_event=shown.note, stop=stop)
    log, recording = report or JobLog(), recording_of(runtime, store, shown)
    live = CourseListener(recording)
    job = build(spec, (shown.training, lambda event: log.at(event.stage, event.epoch, event.total), live), alike)
    return Session(job, store, Runner(store), shown, recording, live)


def recording_of(runtime: RuntimeConfig, store: Store, display: Display) -> Recording:
    """The way to the tracking store that the working folder and ``runtime`` name; it opens nothing yet."""
    uri, marks = runtime.tracking_uri or default_uri(Path.cwd()), Path.cwd() / OWED
    patient = runtime.spool or runtime.job is not None  # a sweep that has begun goes on without its tracking store
    return Recording(uri, runtime.experiment, store, marks, say=display.note, patient=patient)


def check_records(config: DictConfig, display: Display) -> None:
    """Open the tracking store of a sweep before its first job, and write what it is owed.

    Raises:
        UserError: it cannot be used, and the work is not to start without it.
    """
    runtime = replace(cast(RuntimeConfig, OmegaConf.to_object(config.runtime)), job=None)
    recording_of(runtime, Store(Path(runtime.store)), display).open()
