"""What Han et al. 2015 read off their Figure 5, tried on the logged runs, claim by claim."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import pandas as pd

from analysis.publishing.sheet import Cell, TableSheet, spread_text
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import scoring, selection
from analysis.statistics.conditions import joined, telling, texts, words
from analysis.statistics.curves import budget_text
from pruneexp.errors import UserError
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread, spread

Outcome = Literal["for", "against", "open"]

#: Schedules of several rounds.
ITERATIVE = ("iterative", "progressive")
#: "Low density" in the claim on iterative pruning: the paper's red curve starts at 8x.
LOW_DENSITY = 0.125
#: The compression that the paper calls free: 9x on AlexNet, "about 10x".
FREE_DENSITY = 0.1

#: What the claims are about: two curves that are compared differ in one of these.
PENALTY = ("reg", "reg_strength", "reg_retrain_strength", "reg_settings")
SCHEDULE = ("schedule", "schedule_settings", "rounds", "path")
#: What two curves that are compared must share.
SAME = tuple(name for name in frames.CONDITIONS if name not in (*PENALTY, *SCHEDULE))
#: Rows that one claim may have of one network and data set.
MOST_PAIRS = 24


class Side(NamedTuple):
    """One curve of a comparison: its penalty, its kind of schedule, and the moment it is looked at."""

    reg: str
    iterative: bool
    moment: Literal["before", "after"]


class Claim(NamedTuple):
    """``better`` has a better score than ``worse``; without ``worse``, at least that of the dense network."""

    text: str
    better: Side
    worse: Side | None
    highest: float  # density up to which the claim is made
    lowest: float = 0.0


CLAIMS = (
    Claim("without retraining, L1 beats L2", Side("l1", False, "before"), Side("l2", False, "before"), 1.0),
    Claim("with retraining, L2 beats L1", Side("l2", False, "after"), Side("l1", False, "after"), 1.0),
    Claim(
        "at low density, iterative pruning beats pruning at once (L2)",
        Side("l2", True, "after"),
        Side("l2", False, "after"),
        LOW_DENSITY,
    ),
    Claim("iterative pruning under L2 gives 10× for free", Side("l2", True, "after"), None, FREE_DENSITY, FREE_DENSITY),
)


class ClaimTrial(NamedTuple):
    """A claim at one budget: the paired difference of gains over seeds, and what all seeds say together."""

    budget: str
    density: float
    difference: Spread
    outcome: Outcome


class Tried(NamedTuple):
    """A claim on one network and data set, tried on one pair of curves, or on one curve where there is no ``worse``.

    ``settings`` says in words which, where the claim was tried on others as well.
    """

    data: str
    model: str
    conditions: tuple[tuple[str, str], ...]
    better: tuple[tuple[str, str], ...]
    worse: tuple[tuple[str, str], ...]
    settings: str
    claim: str
    trials: tuple[ClaimTrial, ...]
    runs: tuple[str, ...]

    def count(self, outcome: Outcome) -> int:
        return sum(trial.outcome == outcome for trial in self.trials)

    @property
    def verdict(self) -> str:
        supports, contradicts = self.count("for"), self.count("against")
        if supports and contradicts:
            return "mixed"
        if supports > self.count("open"):
            return "holds"
        if contradicts > self.count("open"):
            return "does not hold"
        return "not settled"


class Claims(NamedTuple):
    """The table, by the primary metric."""

    metric: Metric
    split: Split
    tried: tuple[Tried, ...]


class ClaimRow(NamedTuple):
    """A claim at one budget; the difference of changes is positive where ``better`` is better."""

    data: str
    model: str
    metric: str
    conditions: str
    better: str
    worse: str
    claim: str
    budget: str
    density: float
    difference_mean: float
    difference_std: float | None
    difference_low: float
    difference_high: float
    n: int
    outcome: str
    runs: str


class Pair(NamedTuple):
    """What a claim is tried on: what both curves share, what each has for itself, and their points."""

    same: Mapping[str, Any]
    better: Mapping[str, Any]
    worse: Mapping[str, Any]
    points: pd.DataFrame


def data(frame: pd.DataFrame, *, split: Annotated[Split, "the split that scores are shown on"] = "test") -> Claims:
    """Every claim on every pair of curves that it can be tried on, paired by seed and budget.

    Raises:
        UserError: no claim can be tried on what is logged, or one can be on more pairs than a table holds.
    """
    points, metric = frame[frame["mode"] == "prune"], scoring.primary(frame)
    tried = tuple(
        made
        for subject, rows in selection.groups(points, frames.SUBJECT)
        for claim in CLAIMS
        for made in _tried(subject, list(_pairs(rows, claim, metric, split)), claim)
    )
    if not tried:
        raise UserError("no claim can be tried: they need l1 and l2, or l2 with a schedule of several rounds.")
    return Claims(metric, split, tried)


def _pairs(points: pd.DataFrame, claim: Claim, metric: Metric, split: Split) -> Iterator[Pair]:
    """Curves that differ in the penalty or schedule that the claim is about, and share a seed and budget."""
    inside = points[points["density_scope"].between(claim.lowest * 0.99, claim.highest * 1.01)]
    for same, rows in selection.groups(inside, SAME):
        better = _side(rows, claim.better, metric, split)
        if claim.worse is None:
            yield from (Pair(same, key, {}, own.assign(difference=own["gain"])) for key, own in better)
            continue
        worse = _side(rows, claim.worse, metric, split)
        shared = (*(PENALTY if claim.better.reg == claim.worse.reg else ()),
                  *(SCHEDULE if claim.better.iterative == claim.worse.iterative else ()))  # fmt: skip
        for (one, own), (other, theirs) in itertools.product(better, worse):
            if all(one[name] == other[name] for name in shared):
                both = own.merge(theirs, on=["seed", *frames.BUDGET], suffixes=("", "_worse"))
                if len(both):
                    difference = both["gain"] - both["gain_worse"]
                    yield Pair(same, one, other, both.assign(difference=difference))


def _side(points: pd.DataFrame, side: Side, metric: Metric, split: Split) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """The curves of one side: seed, budget, density, gain and run of their points."""
    of = points[(points["reg"] == side.reg) & (points["schedule"].isin(ITERATIVE) == side.iterative)]
    gain = scoring.gain(metric, of[f"{split}.change_{side.moment}.{metric.name}"])
    of = of.assign(gain=gain).dropna(subset=["gain"])
    columns = ["seed", *frames.BUDGET, "density_scope", "gain", "run_id"]
    return [(key, rows[columns]) for key, rows in selection.groups(of, (*PENALTY, *SCHEDULE))]


def _tried(subject: Mapping[str, Any], pairs: Sequence[Pair], claim: Claim) -> Iterator[Tried]:
    """The claim on each pair; raises where there are too many of them for a person to read."""
    shared = telling([pair.same for pair in pairs], SAME) if pairs else ()
    own = [telling(keys, (*PENALTY, *SCHEDULE)) if keys and keys[0] else ()
           for keys in ([pair.better for pair in pairs], [pair.worse for pair in pairs])]  # fmt: skip
    if len(pairs) > MOST_PAIRS:
        names = ", ".join(dict.fromkeys((*shared, *own[0], *own[1])))
        raise UserError(
            f"'{claim.text}' can be tried on {len(pairs)} pairs of curves of {subject['model']} on {subject['data']}, "
            f"and {MOST_PAIRS} fit in a table: choose with --where by {names}."
        )
    for pair in pairs:
        trials = [_trial(budget, rows, claim) for budget, rows in selection.groups(pair.points, frames.BUDGET)]
        yield Tried(
            data=str(subject["data"]),
            model=str(subject["model"]),
            conditions=texts(pair.same, SAME),
            better=texts(pair.better, tuple(pair.better)),
            worse=texts(pair.worse, tuple(pair.worse)),
            settings="; ".join(filter(None, (words(pair.same, shared), *_sides(pair, own)))),
            claim=claim.text,
            trials=tuple(sorted(trials, key=lambda trial: (-trial.density, trial.budget))),
            runs=tuple(sorted({run for name in ("run_id", "run_id_worse") if name in pair.points
                               for run in pair.points[name]})),
        )  # fmt: skip


def _sides(pair: Pair, names: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """What each curve has for itself, after its penalty; said once where both have the same."""
    sides = ((pair.better, names[0]), (pair.worse, names[1]))
    return tuple(dict.fromkeys(f"{key['reg']}: {words(key, told)}" for key, told in sides if told))


def _trial(budget: Mapping[str, Any], rows: pd.DataFrame, claim: Claim) -> ClaimTrial:
    difference = spread(rows["difference"])
    return ClaimTrial(
        budget=budget_text(*budget.values()),
        density=spread(rows["density_scope"]).mean,
        difference=difference,
        outcome=_outcome(difference, claim),
    )


def _outcome(difference: Spread, claim: Claim) -> Outcome:
    """What every seed agrees on; a claim of no loss is met by zero."""
    if difference.low > 0 or (claim.worse is None and difference.low >= 0):
        return "for"
    return "against" if difference.high < 0 else "open"


def runs(made: Claims) -> tuple[str, ...]:
    return tuple(sorted({run for tried in made.tried for run in tried.runs}))


def rows(made: Claims) -> Iterable[ClaimRow]:
    for tried in made.tried:
        conditions = joined(tried.conditions)
        for trial in tried.trials:
            value = trial.difference
            numbers = value.mean, value.std, value.low, value.high, value.n
            sides = joined(tried.better), joined(tried.worse)
            where = (
                tried.data,
                tried.model,
                made.metric.name,
                conditions,
                *sides,
                tried.claim,
                trial.budget,
                trial.density,
            )
            yield ClaimRow(*where, *numbers, trial.outcome, " ".join(tried.runs))


def sheet(made: Claims) -> TableSheet:
    several = any(tried.settings for tried in made.tried)
    lines = [_line(tried, several) for tried in made.tried]
    unit = made.metric.change_unit.capitalize()
    header = ("Data", "Network", "Claim of Han et al. 2015 (AlexNet)", *["Settings"] * several, "For", "Against",
              "Open", unit, "Verdict")  # fmt: skip
    more = "" if made.metric.direction == "maximize" else ", positive for the better"
    what = f"difference in {made.metric.word} change{more}"
    note = (
        f"At each density, {scoring.values_of(made.metric)} on {made.split} are compared seed by seed: for, where "
        "every seed says so; against, where every seed says the opposite; open else. A claim holds where none is "
        "against and most are for. "
        f"{unit}: {what} (for the last claim the change itself), mean ± standard deviation over the densities compared."
    )
    return TableSheet(
        "What the paper reads off its Figure 5, tried here",
        header,
        "lll" + "l" * several + "rrrrl",
        tuple(lines),
        (note,),
    )


def _line(tried: Tried, several: bool) -> tuple[Cell, ...]:
    counts = [str(tried.count(outcome)) for outcome in ("for", "against", "open")]
    means = spread(trial.difference.mean for trial in tried.trials)
    settings = [tried.settings] * several
    return tuple(
        map(Cell, (tried.data, tried.model, tried.claim, *settings, *counts, spread_text(means), tried.verdict))
    )
