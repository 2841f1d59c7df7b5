"""Each value of one setting against another, or each pruned network against its dense one: difference and verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import pandas as pd

from analysis.names import display_subject
from analysis.publishing.numbers import CsvRow, interval_columns
from analysis.publishing.sheet import TableSheet, spread_text, table_sheet
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import inference, levels, paired, quantities, scoring, test_sets
from analysis.statistics.conditions import cells, headings, joined, phrase, telling, text, texts, words
from analysis.statistics.inference import Comparison, Verdict
from analysis.statistics.levels import JudgedLevel, Moment, Shown
from analysis.statistics.matching import SETTINGS
from analysis.statistics.paired import BudgetDifference
from pruneexp.errors import UserError

_LOSSES: Mapping[Verdict, str] = {"better": "no loss", "worse": "a loss"}


class Verdicts(NamedTuple):
    """The table; ``reference`` in words is empty where each line is against its dense network.

    ``color`` is the setting, ``varying`` are the others that tell lines apart, ``untried`` says why some values have no
    line.
    """

    color: str
    reference: str
    shown: Shown
    varying: tuple[str, ...]
    lines: tuple[JudgedLevel, ...]
    untried: tuple[str, ...]
    test_set: str


def data(
    frame: pd.DataFrame,
    *,
    color: Annotated[str, "the setting whose values are judged, such as mode or rounds; none: against the dense"] = "",
    reference: Annotated[str, "the value that all others are held against; the first if nothing is said"] = "",
    moment: Annotated[Moment, "scores of networks before, or after they were retrained"] = "after",
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one; or top5"] = scoring.AUTO,
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
) -> Verdicts:
    """Every value of a setting against one of them, paired by seed and budget, one number per seed.

    Raises:
        UserError: nothing can be compared, or there is no such column or value.
    """
    if reference and not color:
        raise UserError(f"--reference {reference} is a value of a setting: name the setting by --color.")
    judged = scoring.judged(frame, metric)
    shown = Shown(judged, split, moment, margin)
    points = frame.dropna(subset=[f"{split}.{moment}.{judged.name}"])
    if points.empty:
        raise UserError(f"no point with a {judged.title} on {split} {moment} retraining is logged to be judged.")
    if color:
        told, lines, untried = _of_values(points, color, reference, shown)
    else:
        told, lines, untried = "", list(levels.against_dense(points, shown)), []
    if not lines:
        raise UserError(" ".join(untried) or "no curve has both a score and a dense network that it is held against.")
    shared = [name for name in SETTINGS if all(name in line.settings for line in lines)]
    varying = telling([line.settings for line in lines], shared)
    note = test_sets.note(points, judged, split)
    return Verdicts(color, told, shown, varying, inference.together(lines), tuple(untried), note)


def _of_values(points: pd.DataFrame, color: str, asked: str, shown: Shown) -> tuple[str, list[JudgedLevel], list[str]]:
    """The reference in words, a line for each other value and pair of curves, and why some values have none."""
    column = quantities.column(points, "color", color)
    found = levels.values(points, column)
    first = levels.reference(found, asked, column)
    lines: list[JudgedLevel] = []
    untried: list[str] = []
    for value in found:
        if value != first:
            try:
                made, collapsed = levels.against(points, column, (first, value), shown)
            except UserError as reason:
                untried.append(str(reason))
                continue
            lines += made
            if collapsed or not made:
                untried.append(f"No line has {column}={text(value)}{_among(collapsed, made)}: {_nowhere(shown)}.")
    return phrase(column, {column: first}), lines, untried


def _among(collapsed: Sequence[Mapping[str, Any]], made: Sequence[JudgedLevel]) -> str:
    """Which curves have no line where others of the same value have one."""
    every = [*collapsed, *(line.settings for line in made)]
    told = telling(every, [name for name in SETTINGS if all(name in each for each in every)]) if made else ()
    named = dict.fromkeys(words(settings, told) for settings in collapsed)
    return f" with {'; '.join(named)}" if told and named else ""


def _nowhere(shown: Shown) -> str:
    worst = f"{paired.worst_loss(shown.metric):g} {shown.metric.change_unit}"
    return f"nowhere do both have a score of the same seed and budget at which one of them has lost {worst} or less"


def rows(made: Verdicts) -> Iterator[CsvRow]:
    """One line in numbers, at one budget or ``all`` that count together; positive where the level is better.

    P values of ``all`` are corrected for the table, and the verdict is theirs.
    """
    for line in made.lines:
        yield _row(made, line, line.difference)
        for one in line.budgets:
            yield _row(made, line, one.difference, one)


def _row(made: Verdicts, line: JudgedLevel, of: Comparison, at: BudgetDifference | None = None) -> CsvRow:
    return {
        "data": text(line.settings.get("data")),
        "model": text(line.settings.get("model")),
        "metric": made.shown.metric.name,
        "split": made.shown.split,
        "moment": made.shown.moment,
        "conditions": joined(texts(line.settings, [name for name in line.settings if name not in frames.SUBJECT])),
        "level": line.level,
        "reference": made.reference or "dense",
        "budget": at.budget if at else "all",
        "density": at.density if at else None,
        "counted": int(at.counted) if at else 1,
        "reference_mean": None if at else line.scores[0].mean,
        "level_mean": None if at else line.scores[1].mean,
        "n": of.n,
        **interval_columns("difference", of),
        "p": of.p,
        "margin": of.margin,
        "verdict": "" if at else of.verdict,
        "near_the_line": None if at else int(of.near),
        "seeds_needed": None if at else of.seeds_needed,
        "runs": " ".join(line.runs),
    }


def sheet(made: Verdicts) -> TableSheet:
    unit = made.shown.metric.change_unit
    header = (*headings(made.varying), *[made.color.replace("_", " ")] * bool(made.color),
              *(["Budgets", "At each", ] if made.color else ["Budget"]),
              made.reference or "dense", "this", f"Difference, {unit}", "n", "Verdict", "Seeds needed")  # fmt: skip
    lines = (_cells(made, line) for line in made.lines)
    align = "l" * (len(made.varying) + bool(made.color)) + "r" * (5 + bool(made.color)) + "lr"
    return table_sheet(_title(made), header, align, lines, _notes(made))


def _cells(made: Verdicts, line: JudgedLevel) -> Iterator[str]:
    yield from cells(texts(line.settings, made.varying), made.varying)
    counted = [one for one in line.budgets if one.counted]
    ends = dict.fromkeys(one.budget.removeprefix("density=") for one in (counted[0], counted[-1]))
    if made.color:
        yield line.level
        several = f" ({len(counted)} of {len(line.budgets)})" if len(line.budgets) > len(counted) else ""
        yield " to ".join(ends) + several
        means = [one.difference.mean for one in counted]
        yield " to ".join(dict.fromkeys(scoring.signed(mean, 2) for mean in (min(means), max(means))))
    else:
        yield " to ".join(ends)
    yield from map(spread_text, line.scores)
    yield scoring.with_interval(line.difference)
    yield str(line.difference.n)
    yield line.difference.said(_LOSSES if not made.color else {})
    yield line.difference.settled_by


def _title(made: Verdicts) -> str:
    subjects = dict.fromkeys(
        display_subject(text(line.settings.get("model")), text(line.settings.get("data"))) for line in made.lines
    )
    against = f"{made.color.replace('_', ' ')} against {made.reference}" if made.color else "Against the dense network"
    return f"{against[0].upper()}{against[1:]}: {', '.join(subjects)}"


def _notes(made: Verdicts) -> Iterator[str]:
    metric, unit = made.shown.metric, made.shown.metric.change_unit
    other = f"those of {made.reference}" if made.color else "that of the dense network"
    budgets = ", the mean over the budgets that both have" if made.color else ""
    yield (
        f"Scores: {scoring.values_of(metric)} on {made.shown.split}, {made.shown.moment} retraining, mean ± sample "
        f"standard deviation over n seeds. Difference: less {other} of the same seed, positive for the better; one "
        f"number per seed{budgets}; mean with its 95 % interval."
    )
    judged = [line.difference for line in made.lines if line.difference.verdict != "no verdict"]
    if not judged:
        yield f"A verdict takes {inference.FEWEST_SEEDS} seeds that both sides have."
        return
    margins = scoring.amounts(metric, (line.difference.margin for line in made.lines))
    line = inference.corrected(judged)
    if made.color:
        yield f"Better, or worse, where the difference is clear of zero ({line}); equivalent: surely within ±{margins}."
    else:
        yield f"A loss, or no loss, where it is clear of zero ({line}); no worse: no loss of {margins} or more."
    yield f"{inference.NEAR_NOTE} Seeds needed: so many in all would probably settle it."
    if any(not one.counted for each in made.lines for one in each.budgets):
        yield (
            f"Not counted: budgets at which both have lost more than {paired.worst_loss(metric):g} {unit} on average, "
            "and those that not every seed has."
        )
    yield from made.untried
    yield made.test_set
