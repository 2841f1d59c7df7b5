"""Scores beside the epochs and FLOP of training behind them, with the dense network charged and not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import pandas as pd

from analysis.names import display_subject
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.publishing.sheet import TableSheet, spread_text, table_sheet
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import scoring, selection
from analysis.statistics.conditions import cells, headings, joined, telling, texts, words
from analysis.statistics.curves import budget_text
from analysis.statistics.spending import COMPUTE, of_all_sizes
from pruneexp.errors import UserError
from pruneexp.schema import OF_A_MODE, Metric
from pruneexp.summary.spread import Spread, spread

#: What the ways of one block have in common.
SHARED = tuple(name for name in frames.CONDITIONS if name not in OF_A_MODE)


class Spent(NamedTuple):
    """One line: the score of one size, or the mean of all, and the mean over the seeds of each of ``COMPUTE``.

    ``budget`` is empty where the line is of all sizes.
    """

    key: tuple[tuple[str, Any], ...]
    budget: str
    sizes: int
    mode: str
    score: Spread
    compute: tuple[float, ...]
    runs: tuple[str, ...]


class Fairness(NamedTuple):
    """The table; ``varying`` names the conditions that tell its blocks apart."""

    split: Split
    metric: Metric
    varying: tuple[str, ...]
    lines: tuple[Spent, ...]


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one; or top5"] = scoring.AUTO,
) -> Fairness:
    """A line for each mode at each budget of each set of conditions, and one for all its budgets together.

    Raises:
        UserError: no retrained network with this metric is logged.
    """
    chosen = scoring.judged(frame, metric)
    points = frame.assign(score=frame[f"{split}.after.{chosen.name}"]).dropna(subset=["score"])
    if points.empty:
        raise UserError(f"no point with a {chosen.title} on {split} is logged, beside which compute could stand.")
    names = (*frames.SUBJECT, *SHARED)
    found = list(selection.groups(points, names))
    lines = tuple(line for key, rows in found for line in _block(key, rows))
    return Fairness(split, chosen, telling([key for key, _ in found], names), lines)


def _block(key: Mapping[str, Any], rows: pd.DataFrame) -> Iterator[Spent]:
    """The lines of one set of conditions: those of the mildest budget first, then those of all budgets."""
    by_mode = list(selection.groups(rows, OF_A_MODE))
    told = telling([mode for mode, _ in by_mode], OF_A_MODE)
    named = [(words(mode, dict.fromkeys(("mode", *told))), same) for mode, same in by_mode]
    budgets = [budget for budget, _ in sorted(selection.groups(rows, frames.BUDGET), key=_kept, reverse=True)]
    for budget in budgets:
        at = budget_text(*budget.values())
        for name, same in named:
            here = same[(same[list(frames.BUDGET)] == pd.Series(budget)).all(axis=1)]
            if not here.empty:
                yield _spent(key, at, 1, name, here["score"], here[list(COMPUTE)], here)
    for name, same in named:
        count = len(selection.combinations(same, frames.BUDGET))
        whole = [seed for _, seed in same.groupby("seed") if len(seed) == count]
        if count > 1 and whole:
            total = pd.DataFrame([of_all_sizes(seed) for seed in whole], columns=list(COMPUTE))
            means = pd.Series([seed["score"].mean() for seed in whole])
            yield _spent(key, "", count, name, means, total, pd.concat(whole))


def _kept(budget: tuple[Mapping[str, Any], pd.DataFrame]) -> tuple[float, str]:
    key, rows = budget
    return float(rows["density"].mean()), budget_text(*key.values())


def _spent(
    key: Mapping[str, Any],
    budget: str,
    sizes: int,
    mode: str,
    scores: pd.Series,
    compute: pd.DataFrame,
    rows: pd.DataFrame,
) -> Spent:
    took = tuple(spread(compute[name]).mean for name in COMPUTE)
    return Spent(tuple(key.items()), budget, sizes, mode, spread(scores), took, tuple(sorted(rows["run_id"])))


def rows(made: Fairness) -> Iterator[CsvRow]:
    """One line in numbers."""
    for line in made.lines:
        key = dict(line.key)
        yield {
            "data": str(key["data"]),
            "model": str(key["model"]),
            "metric": made.metric.name,
            "conditions": joined(texts(key, SHARED)),
            "budget": line.budget,
            "sizes": line.sizes,
            "mode": line.mode,
            **spread_columns("score", line.score),
            "n": line.score.n,
            **dict(zip(COMPUTE, line.compute, strict=True)),
            "runs": " ".join(line.runs),
        }


def sheet(made: Fairness) -> TableSheet:
    value = scoring.with_unit(made.metric, f"{made.split} {made.metric.title}")
    kinds = {line.budget.partition("=")[0] for line in made.lines if line.budget}
    kind = kinds.copy().pop().capitalize() if len(kinds) == 1 else "Budget"
    header = [*headings(made.varying), kind, "Mode", value[0].upper() + value[1:], "n",
              "Epochs", "and dense", "FLOP", "and dense"]  # fmt: skip
    lines = []
    for line in made.lines:
        start = cells(texts(dict(line.key), made.varying), made.varying)
        budget = line.budget.partition("=")[2] if len(kinds) == 1 else line.budget
        epochs, flop = line.compute[:2], line.compute[2:]
        numbers = [
            spread_text(line.score),
            str(line.score.n),
            *(f"{each:,.4g}" for each in epochs),
            *map(prefixed, flop),
        ]
        lines.append((*start, budget or f"all {line.sizes}", line.mode, *numbers))
    align = "l" * (len(header) - 6) + "r" * 6
    return table_sheet(_title(made), header, align, lines, _notes(made))


def _title(made: Fairness) -> str:
    subjects = {display_subject(str(dict(line.key)["model"]), str(dict(line.key)["data"])) for line in made.lines}
    of = f": {subjects.pop()}" if len(subjects) == 1 else ""
    return f"Scores beside the training behind them{of}"


def _notes(made: Fairness) -> tuple[str, ...]:
    note = (
        "Epochs and FLOP: what was trained after the dense network; and dense: with its training charged, which is due "
        "of networks from scratch only where pruning chose their architecture. FLOP of pruned weights are not counted. "
        "Mean ± sample standard deviation over n seeds."
    )
    every = (
        "All: the mean score of all sizes, and what they take together: the dense network once, and rounds that lead "
        "to sparser networks once."
    )
    return (note, every) if any(line.sizes > 1 for line in made.lines) else (note,)


def prefixed(value: float) -> str:
    """A large number in three digits: ``44.7 G``."""
    for prefix, size in zip("EPTGMk", (1e18, 1e15, 1e12, 1e9, 1e6, 1e3), strict=True):
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"
