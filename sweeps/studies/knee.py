"""The knee of a trade-off curve: the largest compression whose loss on val stays within epsilon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from pruneexp.cache.identity import short, stage_key
from pruneexp.config.groups import LABELS, numbers
from pruneexp.errors import JobFailed, UserError
from pruneexp.experiment.identity import AskedBy
from pruneexp.experiment.pages import show_record
from pruneexp.experiment.plan import make_plan
from pruneexp.experiment.session import PointFailed, Record, Session
from pruneexp.schema import Budget, Metric, change_name, doubts
from sweeps import checks
from sweeps.bisection import Bracket, Measurement, bisect, certainly


@dataclass(frozen=True, kw_only=True)
class Knee:
    """See ``conf/study/knee.yaml`` for every option.

    Raises:
        UserError: an option is out of its range.
    """

    epsilon: float
    seeds: Sequence[int]
    lowest: float
    tolerance: float
    confidence: float

    def __post_init__(self) -> None:
        checks.at_least("study.epsilon", self.epsilon, 0)
        checks.within("study.lowest", self.lowest, 0, 1)
        checks.within("study.tolerance", self.tolerance, 1, 10)
        checks.within("study.confidence", self.confidence, 0, 1)
        checks.seeds("study.seeds", self.seeds)

    def run(self, session: Session) -> None:
        """Bisect, and say the answer with its interval over seeds.

        Raises:
            UserError: the request or the machine is at fault.
            JobFailed: the dense network, or every point, could not be computed.
        """
        if session.job.budgets[0].kind != "density":
            raise UserError("study=knee looks for a density: set curve.qualities to null")
        first = session.seeded(self.seeds[0])
        if session.spec.plan:
            of = first.identity(first.job.budgets[0], first.job.routes[0])
            session.display.plan(of, make_plan(first.job, first.store, first.places, only=first.dense_only()))
            steps = math.ceil(math.log2(math.log(1 / self.lowest) / math.log(self.tolerance))) + 1
            session.display.say(f"  densities about {steps}, {len(self.seeds)} seeds each")
            return
        metric = first.identity(first.job.budgets[0], first.job.routes[0]).primary
        record, name = self._record(first)
        sessions = [first, *(session.seeded(seed) for seed in self.seeds[1:])]
        with record.closing():
            with session.display.running(0, "densities"):
                meter = _Meter(sessions, record, name)
                found = bisect(
                    meter.measure,
                    lambda each: each.mean <= self.epsilon,
                    lowest=self.lowest,
                    tolerance=self.tolerance,
                )
            if meter.failures and all(math.isinf(each.mean) for each in found.measured):
                raise JobFailed(f"no point could be computed: {meter.failures[0]}")
            record.summarise({**_numbers(metric, found), "seeds": float(len(self.seeds))})
            self._show(session, metric, found)
            show_record(session, record, f"Study {name}")

    def _record(self, session: Session) -> tuple[Record, str]:
        of = session.identity(session.job.budgets[0], session.job.routes[0])
        key = stage_key("knee", 1, numbers("study", asdict(self)), [of.curve_key])
        name = f"knee-{of.model}-{of.data}-{of.reg}-{short(key)}"
        params = {group: session.choices[group] for group in LABELS}
        return session.open_study(key, name, {**params, "study": name, "epsilon": self.epsilon}), name

    def _show(self, session: Session, metric: Metric, found: Bracket) -> None:
        display, percent = session.display, f"{100 * self.confidence:g} %"
        display.sheet(
            ("density", "rate", metric.change_heading("val"), f"{percent} interval", "seeds"),
            [_row(metric, each, self.confidence) for each in sorted(found.measured, key=lambda each: -each.density)],
        )
        display.warn(session.job.overlooked)
        display.say(self._answer(metric, found))
        within, beyond = certainly(found.measured, self.epsilon, self.confidence)
        surely = f"down to {within:g} ({1 / within:.1f}x)" if within else "at no density measured"
        clearly = f"from {beyond:g} ({1 / beyond:.1f}x)" if beyond else "at no density measured"
        display.say(f"with {percent} confidence over seeds: within {surely}, beyond {clearly}")

    def _answer(self, metric: Metric, found: Bracket) -> str:
        limit = f"{self.epsilon:g} {metric.change_unit} of val {metric.word}"
        if found.within is None:
            return f"knee: no pruning loses at most {limit}; {found.measured[-1].density:g} already loses more"
        rate, density = 1 / found.within.density, found.within.density
        if found.beyond is None:
            return f"knee: beyond {rate:.1f}x; density {density:g}, the lowest asked about, still loses at most {limit}"
        return (
            f"knee: {rate:.1f}x (density {density:g}) loses {found.within.mean:.2f} of at most {limit}; "
            f"{1 / found.beyond.density:.1f}x loses {found.beyond.mean:.2f}"
        )


@dataclass
class _Meter:
    """Computes and records the points of every seed at a density."""

    sessions: Sequence[Session]
    record: Record
    study: str
    failures: list[str] = field(default_factory=list)

    def measure(self, density: float) -> Measurement:
        drops = tuple(self._drop(session, density) for session in self.sessions)
        self.sessions[0].display.point_done(f"density {density:g}")
        return Measurement(density, drops)

    def _drop(self, session: Session, density: float) -> float:
        budget = Budget("density", density)
        route = session.job.route(budget)
        of = session.identity(budget, route, AskedBy(self.study))
        try:
            point = session.point(self.record, of, route)
        except PointFailed as failure:
            self.failures.append(f"seed {session.spec.seed}, density {density:g}: {failure}")
            session.display.note(self.failures[-1])
            return math.inf
        if found := doubts(point):
            session.display.note(f"seed {session.spec.seed}, density {density:g}: {'; '.join(found)}")
        metric, val = of.primary, point.result.val
        return metric.loss(val.dense[metric.name], val.after[metric.name])


def _numbers(metric: Metric, found: Bracket) -> Mapping[str, float]:
    if found.within is None:
        return {"knee.density": 1.0}
    change = f"knee.{change_name('val', 'after', metric.name)}"
    return {"knee.density": found.within.density, change: _change(metric, found.within.mean)}


def _change(metric: Metric, drop: float) -> float:
    """The change of the metric that a loss is."""
    return -drop if metric.direction == "maximize" else drop


def _row(metric: Metric, of: Measurement, confidence: float) -> tuple[str, ...]:
    low, high = sorted(_change(metric, end) for end in of.interval(confidence))
    interval = f"{low:+.2f} to {high:+.2f}" if math.isfinite(high) else ""
    seeds = " ".join(f"{_change(metric, drop):+.2f}" for drop in of.drops)
    return f"{of.density:g}", f"{1 / of.density:.1f}x", f"{_change(metric, of.mean):+.2f}", interval, seeds
