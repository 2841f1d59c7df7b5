"""Which colour of the house palette a run has: that of the runs of its experiment that look alike, or a free one.

What looks alike differs in seed and budget alone. Knows runs and the palette; not what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pruneexp import schema
from pruneexp.summary import palette
from pruneexp.tracking import bulk
from pruneexp.tracking.runs import Runs

#: MLflow draws a run in the colour that this tag of its own holds.
COLOUR = "mlflow.runColor"
#: Names of a flat identity that tell the curves, the scans of an experiment apart.
_LOOKS = {"curve": ("reg", "schedule", "mode", "criterion"), "scan": ("model", "reg", "criterion", "seed")}


def look(identity: Mapping[str, Any], kind: str = "curve") -> tuple[str, ...]:
    """What decides the colour of a curve or a scan."""
    return tuple(str(identity.get(name, "")) for name in _LOOKS[kind])


def trial_colour(identity: Mapping[str, Any]) -> str:
    """Of a trial of a search: one that was retrained stands out from those that were cut alone."""
    return palette.LEVELS[int(str(identity.get("retrain_epochs", "0")) != "0")]


class Colours:
    """The colours of the runs of one experiment, by how they look."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._known: dict[tuple[str, ...], str] = {}

    def of(self, kind: str, identity: Mapping[str, Any]) -> str:
        """That of a curve or a scan: the paper's where it has one, else of a run alike, else a free one."""
        seen = look(identity, kind)
        if (kind, *seen) not in self._known:
            self._known[kind, *seen] = self._found(kind, seen)
        return self._known[kind, *seen]

    def _found(self, kind: str, seen: tuple[str, ...]) -> str:
        paper = palette.of_paper(*seen) if kind == "curve" else None
        if paper is not None:
            return paper
        of_kind = {f"tags.{schema.KIND}": kind}
        alike = {f"params.{name}": value for name, value in zip(_LOOKS[kind], seen, strict=True) if value}
        for run in bulk.find(self._runs, {**of_kind, **alike}, ("tags",)):
            if COLOUR in run.tags:
                return run.tags[COLOUR]
        taken = {run.tags[COLOUR] for run in bulk.find(self._runs, of_kind, ("tags",)) if COLOUR in run.tags}
        return palette.free(taken, *seen)
