"""What trainings were like, epoch by epoch: shown while a dense network is trained, and kept with each point.

Knows stages and records, and neither how networks are trained nor how a tracking store is written.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pruneexp.schema import Metric
from pruneexp.stages.graph import Route, Runner, Stage
from pruneexp.tracking import Recording
from pruneexp.training.events import TrainingEvent

#: Columns of the ledger that hold trainings; the first is shared by the points of a curve.
_DENSE, _OWN = "dense", ("retrain", "scratch")
#: The numbers of an epoch in the record of a stage, by their names in records; ``{}`` is the primary metric.
_COURSE = {"loss": "losses", "val.{}": "scores", "lr": "rates"}


@dataclass(frozen=True)
class CourseListener:
    """Tells a recording of the epochs of dense networks, which the run of their curve or search shows."""

    recording: Recording
    _of: dict[str, tuple[str, Metric]] = field(default_factory=dict)

    def expect(self, under: str, route: Route, metric: Metric) -> None:
        """Say that a point with this primary metric is to be trained."""
        self._of.setdefault(route.dense.key, (under, metric))

    def __call__(self, event: TrainingEvent) -> None:
        if event.kind == "epoch" and event.key in self._of:
            under, metric = self._of[event.key]
            numbers = {"loss": event.loss, f"val.{metric.name}": event.val, "lr": event.lr}
            if math.isnan(event.val):  # it was not measured
                del numbers[f"val.{metric.name}"]
            self.recording.epoch(under, _DENSE, event.epoch, numbers)


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
