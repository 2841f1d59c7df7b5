"""How much each layer costs when it alone is pruned (Han et al. 2015, section 4.3 and Figure 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.errors import UserError
from pruneexp.experiment.pages import show_page
from pruneexp.experiment.plan import make_plan
from pruneexp.experiment.session import Session
from pruneexp.schema import BudgetKind, Metric, Scan
from sweeps import checks
from sweeps.scans import ScanOptions, coupled_layers, scan_once

#: Losses of the metric for which the table names the density that a layer bears.
_LOSSES = (1.0, 5.0, 20.0)


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """See ``conf/study/sensitivity.yaml`` for every option.

    Raises:
        UserError: an option is out of its range.
    """

    densities: Sequence[float] | None
    qualities: Sequence[float] | None
    seeds: Sequence[int] | None
    epochs: int
    coupled: Sequence[Sequence[str]]
    resamples: int
    memory_gib: float

    def __post_init__(self) -> None:
        if (self.densities is None) == (self.qualities is None):
            raise UserError("study.densities and study.qualities: give one of them, and set the other to null")
        checks.levels("study.densities" if self._kind == "density" else "study.qualities", self._levels, self._kind)
        if self.seeds is not None:
            checks.seeds("study.seeds", self.seeds)
        checks.groups("study.coupled", self.coupled)
        checks.whole("study.epochs", self.epochs, 0)
        checks.whole("study.resamples", self.resamples, 1)
        checks.at_least("study.memory_gib", self.memory_gib, 0)

    @property
    def _kind(self) -> BudgetKind:
        return "quality" if self.densities is None else "density"

    @property
    def _levels(self) -> Sequence[float]:
        return self.densities if self.densities is not None else self.qualities or ()

    def run(self, session: Session) -> None:
        """Scan the dense network of every seed, record the scans, and say what each layer bears.

        Raises:
            UserError: the request does not fit the network, or the machine is at fault.
        """
        seeds = self.seeds or [session.spec.seed]
        coupled = coupled_layers(session, self.coupled)
        if session.spec.plan:
            self._show_plan(session.seeded(seeds[0]), len(seeds))
            return
        session.check_records()
        options = ScanOptions(self.epochs, coupled, self.resamples, self.memory_gib)
        with session.display.running(len(seeds), "scans"):
            scans = []
            for seed in seeds:
                scans.append(scan_once(session.seeded(seed), self._levels, self._kind, options))
                session.display.point_done()
        self._show(session, scans)

    def _show_plan(self, session: Session, seeds: int) -> None:
        of = session.identity(session.job.budgets[0], session.job.routes[0])
        session.display.plan(of, make_plan(session.job, session.store, session.places, only=session.dense_only()))
        each = f", {self.epochs} epochs of retraining at each" if self.epochs else ", without retraining"
        session.display.say(f"  scans     {seeds}, {len(self._levels)} levels per layer{each}")

    def _show(self, session: Session, scans: Sequence[Scan]) -> None:
        metric = scans[0].identity.primary
        losses = (f"density at {_loss_text(metric, loss)} on val" for loss in _LOSSES)
        columns = ("layer", "kind", "weights", *losses)
        groups = dict.fromkeys(row.group for row in scans[0].rows)
        session.display.sheet(columns, [_row(scans, group) for group in groups])
        session.display.warn(session.job.overlooked)
        dense = ", ".join(f"{scan.dense[metric.name]:.2f} (seed {scan.identity.seed})" for scan in scans)
        for scan in scans:
            if scan.undefined:
                session.display.say(f"seed {scan.identity.seed}: {scan.undefined}; they count as wrong answers")
        session.display.say(f"dense {metric.word} on val: {dense}; the figure: python -m analysis sensitivity")
        show_page(session, "sensitivity")


def _loss_text(metric: Metric, loss: float) -> str:
    """``-5``, in points, or ``+5 %`` where a smaller number is the better one."""
    sign = "-" if metric.direction == "maximize" else "+"
    return f"{sign}{loss:g}" if metric.change_unit == "points" else f"{sign}{loss:g} %"


def _row(scans: Sequence[Scan], group: str) -> tuple[str, ...]:
    first = next(row for row in scans[0].rows if row.group == group)
    return (group, first.kind, f"{first.weights_total:,}", *(_borne(scans, group, loss) for loss in _LOSSES))


def _borne(scans: Sequence[Scan], group: str, loss: float) -> str:
    """The lowest density before which no scanned level cost ``loss`` or more, over seeds."""
    found = []
    for scan in scans:
        metric = scan.identity.primary
        lowest = 1.0
        for row in scan.rows:
            if row.group == group:
                if metric.loss(scan.dense[metric.name], row.val[metric.name]) >= loss:
                    break
                lowest = row.density
        found.append(lowest)
    low, high = f"{min(found):.3g}", f"{max(found):.3g}"
    return low if low == high else f"{low} to {high}"
