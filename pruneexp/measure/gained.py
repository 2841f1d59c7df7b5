"""What a measurement says of a point: rows of a table, numbers of its record, and one sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pruneexp.measure.clock import Timing
from pruneexp.measure.measuring import FormTimes
from pruneexp.schema import PointIdentity, PointResult

#: Of a table of forms.
HEADINGS = ("budget", "density", "form", "batch", "median", "quartiles", "dense / form")

#: Forms whose gain by pruning is not that over the dense network: masked, it takes as long in their program as dense.
WITHIN = {"removed_onnxruntime": "onnxruntime"}

#: Ratio of two latencies that are the same.
_SAME = 1.05

#: Cores that other processes may keep busy without a word.
_QUIET = 0.2


@dataclass(frozen=True)
class FormRow:
    """One form at one batch; of a step of training where ``batch`` is None. Times in milliseconds.

    ``gain`` is the median of the dense network over its own, not a number where that was not timed.
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

    @property
    def cells(self) -> tuple[str, ...]:
        """As ``HEADINGS`` have them."""
        form = self.form if self.batch is not None else f"{self.form}, training step"
        spread = f"{self.low_ms:.3g} to {self.high_ms:.3g} ms"
        gain = "" if math.isnan(self.gain) else f"{self.gain:.2f}x"
        batch = "" if self.batch is None else str(self.batch)
        return (self.budget, f"{self.density:.4f}", form, batch, f"{self.median_ms:.3g} ms", spread, gain)


def rows(of: PointIdentity, result: PointResult, found: FormTimes) -> Iterator[FormRow]:
    """A row for each batch and form, then for each form of a training step."""
    batches: list[int | None] = list(next(iter(found.latency.values()), {}))
    for batch in (*batches, None):
        timings = found.step if batch is None else {form: each[batch] for form, each in found.latency.items()}
        dense = timings["dense"].median if "dense" in timings else math.nan
        for form, each in timings.items():
            times = (1e3 * each.median, 1e3 * each.low, 1e3 * each.high)
            yield FormRow(of.point_key, of.budget.text, result.density, form, batch, *times, dense / each.median)


def metrics(found: FormTimes) -> dict[str, float]:
    """Numbers for the run of the point, by names that MLflow's pages put below a heading each; milliseconds."""
    latency = {
        f"latency/{form}.batch{batch}": 1e3 * timing.median
        for form, of_form in found.latency.items()
        for batch, timing in of_form.items()
    }
    return latency | {f"step/{form}": 1e3 * timing.median for form, timing in found.step.items()}


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
    threads = f"{found.threads} thread{'s' * (found.threads > 1)}"
    return f"{'; '.join([share, *said])} (batch {batch}, {threads}, {_place(found)})"


def _place(found: FormTimes) -> str:
    return str(found.machine.get("accelerator") or found.machine.get("processor"))


def _against(dense: Timing, form: Timing) -> str:
    """Quartiles that overlap are no difference, nor are medians as near as those of one call timed twice."""
    ratio = dense.median / form.median
    if (dense.low <= form.high and form.low <= dense.high) or 1 / _SAME <= ratio <= _SAME:
        return "same latency"
    return f"{ratio:.2g}x as fast" if ratio > 1 else f"{1 / ratio:.2g}x slower"


def doubt(found: FormTimes) -> str:
    """Why the times are not to be trusted; empty where nothing speaks against them."""
    if math.isnan(found.others) or found.others <= _QUIET:
        return ""
    return (
        f"other processes kept {found.others:.1f} cores busy meanwhile: times are too long, ratios less so; "
        "--again measures anew"
    )
