"""What Han et al. 2015 read off their Figure 5, tried on the logged runs, claim by claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.names import display_name, display_subject
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.publishing.sheet import TableSheet, table_sheet
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import claimed, inference, paired, scoring, selection, test_sets
from analysis.statistics.claimed import CLAIMS, Tried
from analysis.statistics.conditions import joined
from analysis.statistics.inference import Comparison, Verdict
from analysis.statistics.paired import BudgetDifference
from pruneexp.errors import UserError
from pruneexp.schema import Metric

#: What a verdict on the difference says of the claim; the others say it themselves.
VERDICTS: Mapping[Verdict, str] = {"better": "holds", "no worse": "holds", "worse": "does not hold"}


class Claims(NamedTuple):
    """The table, by the primary metric; ``untried`` are sentences on claims that no budget can decide."""

    metric: Metric
    split: Split
    tried: tuple[Tried, ...]
    untried: tuple[str, ...]
    test_set: str


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
) -> Claims:
    """Every claim on every pair of curves that it can be tried on, paired by seed and budget.

    Raises:
        UserError: no claim can be tried on what is logged, or one can be on more pairs than a table holds.
    """
    points, metric = frame[frame["mode"] == "prune"], scoring.primary(frame)
    tried: list[Tried] = []
    untried: list[str] = []
    for subject, rows in selection.groups(points, frames.SUBJECT):
        within = test_sets.margin(rows, margin)
        for claim in CLAIMS:
            among = list(claimed.pairs(rows, claim, metric, split))
            found = list(claimed.tried_on(subject, among, claim, metric, within))
            tried += found
            if len(found) < len(among):
                untried.append(claimed.untried(subject, claim, len(among) - len(found), len(among), metric))
    if not tried:
        raise UserError(" ".join(untried) or "no claim can be tried: they need l2 pruned at once to a half, l1 and l2, "
                        "or l2 with a schedule of several rounds.")  # fmt: skip
    return Claims(metric, split, inference.together(tried), tuple(untried), test_sets.note(points, metric, split))


def rows(made: Claims) -> Iterator[CsvRow]:
    """A claim at one budget, or ``all`` that count together; the difference is positive where ``better`` is better.

    P values of all budgets together are corrected for the table, and the verdict is theirs.
    """
    for tried in made.tried:
        for trial in tried.trials:
            yield _row(made, tried, trial.difference, trial)
        yield _row(made, tried, tried.difference)


def _row(made: Claims, tried: Tried, of: Comparison, at: BudgetDifference | None = None) -> CsvRow:
    better, worse = (*tried.changes, None)[:2]
    return {
        "data": tried.data,
        "model": tried.model,
        "metric": made.metric.name,
        "split": made.split,
        "conditions": joined(tried.conditions),
        "better": joined(tried.better),
        "worse": joined(tried.worse),
        "claim": tried.claim,
        "budget": at.budget if at else "all",
        "density": at.density if at else None,
        "counted": int(at.counted) if at else 1,
        "n": of.n,
        **spread_columns("difference", of),
        "difference_low": of.low,
        "difference_high": of.high,
        "p": of.p,
        "p_equivalent": of.p_equivalent,
        "margin": of.margin,
        "verdict": "" if at else VERDICTS.get(of.verdict, of.verdict),
        "near_the_line": None if at else int(of.near),
        "seeds_needed": None if at else of.seeds_needed,
        "change_better": None if at else better,
        "change_worse": None if at else worse,
        "runs": " ".join(tried.runs),
    }


def sheet(made: Claims) -> TableSheet:
    header = ("Claim of Han et al. 2015 (AlexNet)", "Densities", "n", f"Difference, {made.metric.change_unit}",
              "At each density", made.metric.change_heading(made.split).capitalize(), "Verdict",
              "Seeds needed")  # fmt: skip
    lead = {"Data": [display_name("data", one.data) for one in made.tried],
            "Network": [display_name("model", one.model) for one in made.tried],
            "Settings": [one.settings for one in made.tried]}  # fmt: skip
    told = {name: texts for name, texts in lead.items() if len(set(texts)) > 1}
    subjects = dict.fromkeys(display_subject(one.model, one.data) for one in made.tried)
    return table_sheet(
        f"What the paper reads off its Figure 5, tried with {' and '.join(subjects)}",
        (*told, *header),
        "l" * len(told) + "llrrrrlr",
        ((*(texts[place] for texts in told.values()), *_line(one)) for place, one in enumerate(made.tried)),
        _notes(made),
    )


def _line(tried: Tried) -> tuple[str, ...]:
    counted = [trial for trial in tried.trials if trial.counted]
    densities = " to ".join(dict.fromkeys(f"{trial.density:.3g}" for trial in (counted[0], counted[-1])))
    if len(tried.trials) > 1:
        densities += f" ({len(counted)} of {len(tried.trials)})"
    each = [trial.difference.mean for trial in counted]
    across = " to ".join(dict.fromkeys(scoring.signed(value) for value in (min(each), max(each))))
    changes = " / ".join(scoring.signed(change) for change in tried.changes)
    of = tried.difference
    return (
        tried.claim,
        densities,
        str(of.n),
        scoring.with_interval(of),
        across,
        changes,
        of.said(VERDICTS),
        of.settled_by,
    )


def _notes(made: Claims) -> tuple[str, ...]:
    values, unit, change = (
        scoring.values_of(made.metric),
        made.metric.change_unit,
        made.metric.change_heading(made.split),
    )
    compared = (
        f"Difference: {values} on {made.split}, of the side that is to be better less those of the other, or for "
        "'free' those of its own dense network; one number per seed, the mean over the densities; mean over n seeds, "
        "paired, with its 95 % interval. At each density: the lowest and the highest mean difference. "
        f"{change.capitalize()}: of each side against its own dense network, mean."
    )
    verdicts = (
        "A claim holds, or does not hold, where the difference is clear of zero ("
        f"{inference.corrected(one.difference for one in made.tried)}). Both sides are equivalent where it is surely "
        f"within ±{_margins(made)}; 'free' holds where a loss surely is. {inference.NEAR_NOTE} Seeds needed: so many "
        "in all would probably settle it."
    )
    if all(one.difference.verdict == "no verdict" for one in made.tried):
        verdicts = f"A verdict takes {inference.FEWEST_SEEDS} seeds that both sides have."
    left_out = (
        f"Not counted: densities at which both sides have lost more than {paired.worst_loss(made.metric):g} {unit} on "
        "average, which is off the paper's figure, and those that not every seed has."
    )
    return compared, verdicts, left_out, *made.untried, made.test_set


def _margins(made: Claims) -> str:
    margins = {display_name("data", one.data): one.difference.margin for one in made.tried}
    amounts = {data: scoring.amount(made.metric, margin) for data, margin in margins.items()}
    if len(set(amounts.values())) == 1:
        return next(iter(amounts.values()))
    return ", ".join(f"{amount} on {data}" for data, amount in amounts.items())
