"""What was measured of a point's network on one machine, as its run keeps it in a tag; and what a point says before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

from pruneexp.schema.points import TradeoffPoint


class FormNumbers(NamedTuple):
    """One form at one batch; of a step of training where ``batch`` is None.

    The median of its times and the quartiles around it are milliseconds; ``memory`` is the peak in bytes, its weights
    included, None where it is not known.
    """

    form: str
    batch: int | None
    median: float
    low: float
    high: float
    memory: int | None = None

    @property
    def name(self) -> str:
        """``csr.batch64``, as it stands in the names of metrics; the form alone for a step of training."""
        return self.form if self.batch is None else f"{self.form}.batch{self.batch}"


class UnitWeights(NamedTuple):
    """Means of the magnitudes of so many kept ``weights``, ``before`` retraining and ``after`` it.

    ``which`` are they: ``live``, on a path from inputs to outputs; ``into unread``, those of units that nothing reads;
    ``out of constant``, those that read units without inputs.
    """

    which: str
    weights: int
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class MeasuredPoint:
    """Everything that was measured of a point at once.

    ``machine`` names the processor, the threads and the version of torch: times of other machines are not compared with
    these. Other processes kept ``others`` cores busy meanwhile, None where the system does not say. ``sizes`` are the
    bytes of the weights in each form. ``units`` are empty where weights are not inherited, or were not at hand.
    """

    machine: str
    others: float | None
    sizes: Mapping[str, int]
    forms: tuple[FormNumbers, ...]
    units: tuple[UnitWeights, ...] = ()

    def text(self) -> str:
        """As a tag holds it."""
        return json.dumps(asdict(self), separators=(",", ":"))


def read_measurement(text: str) -> MeasuredPoint:
    """Inverse of ``MeasuredPoint.text``.

    Raises:
        ValueError: it is no such text.
    """
    try:
        told = json.loads(text)
        forms = tuple(FormNumbers(*each) for each in told["forms"])
        units = tuple(UnitWeights(*each) for each in told["units"])
        return MeasuredPoint(**{**told, "forms": forms, "units": units})
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no measurement: {error}") from error


def unmeasured(point: TradeoffPoint) -> str:
    """What is known of the gain of a point by its counts alone, and the command that measures it: one sentence.

    ``10 % of the weights, and all FLOP of a dense runtime; no run measures latency: python -m pruneexp.measure 1a2b3c4d
    does``. A trial of a search that was not kept cannot be measured.
    """
    result = point.result
    weights = f"{100 * result.density:.3g} % of the weights"
    if result.removed_flop is None or not result.flop_total:
        flop = "all FLOP of a dense runtime"
    else:
        flop = f"{100 * result.removed_flop / result.flop_total:.3g} % of the FLOP without the channels that were cut"
    how = "" if result.test is None else f": python -m pruneexp.measure {point.identity.point_key[:8]} does"
    return f"{weights}, and {flop}; no run measures latency{how}"
