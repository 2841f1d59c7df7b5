"""Which run shows a training while it goes on: that of its curve or search, or that of the point it belongs to.

Knows stages and records, and neither how networks are trained nor how a tracking store is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pruneexp.schema import Metric, PointIdentity, flatten
from pruneexp.stages.graph import Route, Runner, Stage
from pruneexp.tracking import Recording, ShownOn
from pruneexp.training.events import TrainingEvent

#: Columns of the ledger that hold trainings; the first is shared by the points of a curve.
_DENSE, _OWN = "dense", ("retrain", "scratch")
#: The numbers of an epoch in the record of a stage, by their names in records; ``{}`` is the primary metric.
_COURSE = {"loss": "losses", "val.{}": "scores", "lr": "rates"}


@dataclass(frozen=True)
class _Shown:
    on: ShownOn
    kind: str
    before: int
    metric: Metric


@dataclass(frozen=True)
class CourseListener:
    """Tells a recording of the epochs of trainings of which it was told whose they are."""

    recording: Recording
    _of: dict[str, _Shown] = field(default_factory=dict)

    def expect(self, under: str, of: PointIdentity, route: Route, tags: Mapping[str, str]) -> None:
        """Say that a point is to be trained. A round that several points share is shown on the first one's run."""
        point = ShownOn(under, of.point_key, flatten(of), tags)
        before = 0
        for step in route.steps:
            if step is route.dense:
                self._of.setdefault(step.key, _Shown(ShownOn(under), _DENSE, 0, of.primary))
            elif step.of.column in _OWN:
                self._of.setdefault(step.key, _Shown(point, step.of.column, before, of.primary))
                before += int(step.epochs)

    def __call__(self, event: TrainingEvent) -> None:
        shown = self._of.get(event.key)
        if event.kind == "epoch" and shown is not None:
            numbers = {"loss": event.loss, f"val.{shown.metric.name}": event.val, "lr": event.lr}
            if math.isnan(event.val):  # it was not measured
                del numbers[f"val.{shown.metric.name}"]
            self.recording.epoch(shown.on, shown.kind, shown.before + event.before + event.epoch, numbers)


def courses(route: Route, runner: Runner, metric: Metric) -> dict[str, dict[str, list[float]]]:
    """The numbers of each epoch of the trainings of a route, those of all rounds in a row; of stages in the store.

    Stages of earlier versions tell their losses alone, and those without ``runtime.epoch_scores`` no scores.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for kind in (_DENSE, *_OWN):
        records = [runner.record(step) for step in _of_kind(route, kind)]
        of_kind = {
            name.format(metric.name): [number for record in records for number in record[told]]
            for name, told in _COURSE.items()
            if records and all(told in record for record in records)
        }
        found |= {kind: of_kind} if any(of_kind.values()) else {}
    return found


def _of_kind(route: Route, kind: str) -> list[Stage]:
    """The trainings of a kind; of the dense network the whole one, which an early state of it would repeat."""
    return [route.dense] if kind == _DENSE else [step for step in route.steps if step.of.column == kind]
