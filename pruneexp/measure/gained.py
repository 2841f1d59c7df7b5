"""What a measurement says of a point: rows of a table, numbers of its record, and one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pruneexp.measure.clock import Timing
from pruneexp.measure.measuring import FormTimes
from pruneexp.schema import FormNumbers, MeasuredPoint, PointIdentity, PointResult

#: Of a table of forms.
HEADINGS = ("form", "batch", "ms", "quartiles", "dense / form", "peak kB", "kB")

#: Forms whose gain by pruning is not that over the dense network: masked, it takes as long in their program as dense.
WITHIN = {"removed_onnxruntime": "onnxruntime", "semi_structured": "half"}

#: Ratio of two latencies that are the same.
_SAME = 1.05

#: Cores that other processes may keep busy without a word.
_QUIET = 0.2


@dataclass(frozen=True)
class FormRow:
    """One form at one batch; of a step of training where ``batch`` is None. Times in milliseconds.

    ``gain`` is the median of the dense network over its own, not a number where that was not timed. ``memory`` is its
    peak in bytes, and ``size`` those of its weights; None where they are not known.
    """

    point_key: str
    budget: str
    density: float
    form: str
    batch: int | None
    median_ms: float
    low_ms: float
    high_ms: float
    gain: float
    memory: int | None
    size: int | None

    @property
    def cells(self) -> tuple[str, ...]:
        """As ``HEADINGS`` have them."""
        form = self.form if self.batch is not None else f"{self.form}, step"
        spread = f"{self.low_ms:.3g} – {self.high_ms:.3g}"
        gain = "" if math.isnan(self.gain) else f"{self.gain:.2f}x"
        batch = "" if self.batch is None else str(self.batch)
        sizes = ("" if count is None else f"{count / 1e3:,.0f}" for count in (self.memory, self.size))
        return (form, batch, f"{self.median_ms:.3g}", spread, gain, *sizes)


def numbers(found: FormTimes) -> tuple[FormNumbers, ...]:
    """All times in milliseconds: for each batch each form, then each form of a training step."""
    batches: list[int | None] = list(next(iter(found.latency.values()), {}))
    made = []
    for batch in (*batches, None):
        timings = found.step if batch is None else {form: each[batch] for form, each in found.latency.items()}
        for form, each in timings.items():
            times = (1e3 * each.median, 1e3 * each.low, 1e3 * each.high)
            peak = None if batch is None else found.memory.get(form, {}).get(batch)
            made.append(FormNumbers(form, batch, *times, peak))
    return tuple(made)


def measurement(found: FormTimes) -> MeasuredPoint:
    """What the run of the point keeps for those who read records: numbers of five digits."""
    rounded = [
        each._replace(median=_short(each.median), low=_short(each.low), high=_short(each.high))
        for each in numbers(found)
    ]
    others = None if math.isnan(found.others) else round(found.others, 3)
    machine = f"{_machine(found)}, torch {found.machine.get('torch')}"
    return MeasuredPoint(machine=machine, others=others, sizes=found.sizes, forms=tuple(rounded), units=found.units)


def _short(number: float) -> float:
    return float(f"{number:.5g}")


def rows(of: PointIdentity, result: PointResult, found: FormTimes) -> Iterator[FormRow]:
    """As ``numbers``, a row each."""
    every = numbers(found)
    dense = {each.batch: each.median for each in every if each.form == "dense"}
    for form, batch, median, low, high, peak in every:
        gain = dense.get(batch, math.nan) / median
        size = None if batch is None else found.sizes.get(form)
        yield FormRow(
            of.point_key, of.budget.text, result.density, form, batch, median, low, high, gain, peak, size
        )  # fmt: skip


def metrics(found: FormTimes) -> dict[str, float]:
    """Numbers for the run of the point, by names that MLflow's pages put below a heading each.

    Times are milliseconds, memory bytes; of the weights of dead units the share of their mean that retraining left.
    """
    every, units = numbers(found), {each.which.replace(" ", "_"): each for each in found.units if each.before}
    return {
        **{f"{'step' if each.batch is None else 'latency'}/{each.name}": each.median for each in every},
        **{f"memory/{each.name}": float(each.memory) for each in every if each.memory is not None},
        **{f"dead_units/{which}": each.after / each.before for which, each in units.items()},
    }


def sentence(result: PointResult, found: FormTimes) -> str:
    """What was gained at the first batch: ``10 % of the weights; masked: same latency; csr: 1.6x as fast``.

    Against the dense network, and of what another program runs, against what that makes of the masked one.
    """
    share = f"{100 * result.density:.3g} % of the weights"
    dense = found.latency.get("dense", {})
    if not dense:
        return share
    batch = next(iter(dense))
    at = {form: of_form[batch] for form, of_form in found.latency.items()}
    said = []
    for form, timing in at.items():
        within = WITHIN.get(form, "dense")
        base = within if within in at else "dense"
        if form != "dense":
            gain = _against(at[base], timing)
            of_base = f" {'than' if gain.endswith('slower') else 'as'} {base}" if base != "dense" else ""
            said.append(f"{form}: {gain}{of_base}")
    return f"{'; '.join([share, *said])} (batch {batch}, {_machine(found)})"


def _machine(found: FormTimes) -> str:
    place = found.machine.get("accelerator") or found.machine.get("processor")
    return f"{found.threads} thread{'s' * (found.threads > 1)}, {place}"


def _against(dense: Timing, form: Timing) -> str:
    """Quartiles that overlap are no difference, nor are medians as near as those of one call timed twice."""
    ratio = dense.median / form.median
    if (dense.low <= form.high and form.low <= dense.high) or 1 / _SAME <= ratio <= _SAME:
        return "same latency"
    return f"{ratio:.2g}x as fast" if ratio > 1 else f"{1 / ratio:.2g}x slower"


def doubt(others: float) -> str:
    """Why times are not to be trusted where others kept so many cores busy; empty where they did not."""
    if math.isnan(others) or others <= _QUIET:
        return ""
    return (
        f"other processes kept {others:.1f} cores busy meanwhile: times are too long, ratios less so; "
        "--again measures anew"
    )
