"""What Han et al. 2015 read off their Figure 5, tried on the logged runs, claim by claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import pandas as pd

from analysis import frames
from analysis.curves import budget_text, joined, texts
from analysis.frames import Split, Spread
from analysis.sheet import Cell, Sheet, spread_text
from pruneexp.errors import UserError

Outcome = Literal["for", "against", "open"]

#: Schedules of several rounds.
ITERATIVE = ("iterative", "progressive")
#: "Low density" in the claim on iterative pruning: the paper's red curve starts at 8x.
LOW_DENSITY = 0.125
#: The compression that the paper calls free: 9x on AlexNet, "about 10x".
FREE_DENSITY = 0.1

#: What two curves that are compared must share; penalty and schedule are what the claims are about.
_COMPARED = ("reg", "reg_strength", "reg_retrain_strength", "schedule", "schedule_settings")
SAME = tuple(name for name in frames.CONDITIONS if name not in _COMPARED)


class Side(NamedTuple):
    """One curve of a comparison: its penalty, its kind of schedule, and the moment it is looked at."""

    reg: str
    iterative: bool
    moment: Literal["before", "after"]


class Claim(NamedTuple):
    """``better`` has the higher accuracy than ``worse``; without ``worse``, at least that of the dense network."""

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


class Trial(NamedTuple):
    """A claim at one budget: the paired difference over seeds, in points, and what all seeds say together."""

    budget: str
    density: float
    difference: Spread
    outcome: Outcome


class Tried(NamedTuple):
    """A claim on one network and data set."""

    data: str
    model: str
    conditions: tuple[tuple[str, str], ...]
    claim: str
    trials: tuple[Trial, ...]
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
    split: Split
    tried: tuple[Tried, ...]


class Row(NamedTuple):
    """A claim at one budget; the difference in points of accuracy, run ids (of the whole claim) by spaces."""

    data: str
    model: str
    conditions: str
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


def data(frame: pd.DataFrame, *, split: Annotated[Split, "the split that accuracies are shown on"] = "test") -> Claims:
    """Every claim for which both sides are logged, paired by seed and budget.

    Raises:
        UserError: no claim can be tried on what is logged.
    """
    points = frame[frame["mode"] == "prune"]
    tried = tuple(
        made
        for key, rows in frames.groups(points, (*frames.SUBJECT, *SAME))
        for claim in CLAIMS
        if (made := _tried(key, rows, claim, split)) is not None
    )
    if not tried:
        raise UserError("no claim can be tried: they need l1 and l2, or l2 with a schedule of several rounds.")
    return Claims(split, tried)


def _tried(key: Mapping[str, Any], points: pd.DataFrame, claim: Claim, split: Split) -> Tried | None:
    inside = points[points["density_scope"].between(claim.lowest * 0.99, claim.highest * 1.01)]
    better = _side(inside, claim.better, split)
    pairing = ["seed", *frames.BUDGET]
    if claim.worse is None:
        pairs = better.assign(difference=better["change"])
    else:
        pairs = better.merge(_side(inside, claim.worse, split), on=pairing, suffixes=("", "_worse"))
        pairs = pairs.assign(difference=pairs["change"] - pairs["change_worse"])
    if pairs.empty:
        return None
    trials = [_trial(budget, rows, claim) for budget, rows in frames.groups(pairs, frames.BUDGET)]
    runs = {*pairs["run_id"], *(pairs["run_id_worse"] if claim.worse is not None else ())}
    return Tried(
        data=str(key["data"]),
        model=str(key["model"]),
        conditions=texts(key, SAME),
        claim=claim.text,
        trials=tuple(sorted(trials, key=lambda trial: (-trial.density, trial.budget))),
        runs=tuple(sorted(runs)),
    )


def _side(points: pd.DataFrame, side: Side, split: Split) -> pd.DataFrame:
    """Seed, budget, density, change and run of the points of one curve; of two iterative schedules, the first named."""
    of = points[(points["reg"] == side.reg) & (points["schedule"].isin(ITERATIVE) == side.iterative)]
    of = of.assign(change=of[f"{split}.change_{side.moment}.top1"]).dropna(subset=["change"])
    columns = ["seed", *frames.BUDGET, "density_scope", "change", "run_id"]
    return of.sort_values("schedule").drop_duplicates(["seed", *frames.BUDGET])[columns]


def _trial(budget: Mapping[str, Any], rows: pd.DataFrame, claim: Claim) -> Trial:
    difference = frames.spread(rows["difference"])
    return Trial(
        budget=budget_text(*budget.values()),
        density=frames.spread(rows["density_scope"]).mean,
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


def rows(made: Claims) -> Iterable[Row]:
    for tried in made.tried:
        conditions = joined(tried.conditions)
        for trial in tried.trials:
            value = trial.difference
            numbers = value.mean, value.std, value.low, value.high, value.n
            where = tried.data, tried.model, conditions, tried.claim, trial.budget, trial.density
            yield Row(*where, *numbers, trial.outcome, " ".join(tried.runs))


def sheet(made: Claims) -> Sheet:
    lines = [_line(tried) for tried in made.tried]
    header = ("Data", "Network", "Claim of Han et al. 2015 (AlexNet)", "For", "Against", "Open", "Points", "Verdict")
    note = (
        f"At each density, accuracies on {made.split} are compared seed by seed: for, where every seed says so; "
        "against, where every seed says the opposite; open else. A claim holds where none is against and most are for. "
        "Points: difference in accuracy change (for the last claim the change itself), mean ± standard deviation over "
        "the densities compared."
    )
    return Sheet("What the paper reads off its Figure 5, tried here", header, "lllrrrrl", tuple(lines), (note,))


def _line(tried: Tried) -> tuple[Cell, ...]:
    counts = [str(tried.count(outcome)) for outcome in ("for", "against", "open")]
    means = frames.spread(trial.difference.mean for trial in tried.trials)
    return tuple(map(Cell, (tried.data, tried.model, tried.claim, *counts, spread_text(means), tried.verdict)))
