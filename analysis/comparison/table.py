"""The table of a comparison: rows for its CSV, and cells to be read. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from analysis.comparison.compared import ComparedBudget, TwoSides, data
from analysis.names import display_name, display_subject
from analysis.publishing.numbers import CsvRow, interval_columns, spread_columns
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text, table_sheet
from analysis.records import frames
from analysis.statistics import inference, paired, scoring
from analysis.statistics.conditions import cell, joined, telling, telling_within, text, texts, words
from analysis.statistics.matching import SETTINGS, CurvePair, Key, grouped

__all__ = ["data", "rows", "sheet"]

#: Sides with longer names are called by these in the cells, and told below the table.
SHORT, LETTERS = 16, ("A", "B")
#: Curves without a partner that a note names before it only counts them.
MOST_NAMED = 4
_HEADINGS = {"data": "Data", "model": "Network"}
#: What a table is of, whether or not it tells its lines apart.
_METHOD = ("reg", "criterion", "schedule", "mode")


def rows(made: TwoSides) -> Iterator[CsvRow]:
    """One line as numbers, the second side against the first; ``budgets`` is the number that the line is a mean over.

    ``ahead`` is in points, or per cent of the first side's value where scores are in no percent.
    """
    for line in made.lines:
        firsts, seconds = ([pair.sides[place] for pair in line.pairs] for place in (0, 1))
        (first, second), of = line.scores, line.ahead
        yield {
            "data": _joined(text(key["data"]) for key in seconds),
            "model": _joined(text(key["model"]) for key in seconds),
            "metric": made.metric.name,
            "split": made.split,
            "first": made.sides[0],
            "first_conditions": _joined(joined(texts(key, SETTINGS)) for key in firsts),
            "second": made.sides[1],
            "second_conditions": _joined(joined(texts(key, SETTINGS)) for key in seconds),
            "budget": line.budget or "mean",
            "budgets": line.budgets,
            "density": line.density,
            **spread_columns("first", first),
            "first_n": first.n,
            **spread_columns("second", second),
            "second_n": second.n,
            **interval_columns("ahead", of),
            "n": of.n if of else 0,
            "p": of.p if of else None,
            "margin": of.margin if of else None,
            "verdict": of.verdict if of else "unpaired",
            "near": int(of.near) if of else 0,
            "seeds_needed": of.seeds_needed if of else None,
            "runs": " ".join(line.runs),
        }


def _joined(told: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(told))


def sheet(made: TwoSides) -> TableSheet:
    names = made.sides if max(map(len, made.sides)) <= SHORT else LETTERS
    told = _told(made)
    qualities = any(not line.budget.startswith("density") for line in made.lines if line.budget)
    header = (*(name for name, _ in told), "Budget" if qualities else "Density", *names,
              f"{names[1]} ahead by", "95 % interval", "n", "Verdict")  # fmt: skip
    lines = []
    for line in made.lines:
        whose = [values[line.pairs[0].key] if len(line.pairs) == 1 else "all" for _, values in told]
        lines.append((*whose, *_cells(line, names)))
    align = "l" * len(told) + "r" * 6 + "l"
    title = f"{made.sides[0]} against {made.sides[1]}: {made.metric.title} on {made.split}"
    return table_sheet(scoring.with_unit(made.metric, title), header, align, lines, _notes(made, names))


def _told(made: TwoSides) -> list[tuple[str, dict[Any, str]]]:
    """Columns that tell the pairs apart: a heading, and the text of each pair by its key."""
    pairs = _pairs(made)
    differing = {name for pair in pairs for name in pair.differing}
    agreed = _agreed([pair.first for pair in pairs], [name for name in SETTINGS if name not in differing])
    columns = []
    for name in agreed:
        values = {pair.key: display_name(name, cell(name, text(pair.first[name]))) for pair in pairs}
        columns.append((_HEADINGS.get(name, name.replace("_", " ")), values))
    if len({tuple(pair.first[name] for name in agreed) for pair in pairs}) == len(pairs):
        return columns
    for place, side in enumerate(made.sides):  # one curve has several partners
        keys = {pair.key: pair.sides[place] for pair in pairs}
        if needed := telling(keys.values(), [name for name in SETTINGS if name in differing]):
            columns.append((f"of {side}", {pair: words(key, needed) for pair, key in keys.items()}))
    return columns


def _agreed(keys: Sequence[Key], names: Sequence[str]) -> list[str]:
    """Those of ``names`` that tell the pairs apart: not a recipe that follows from network and data set."""
    needed = telling_within(keys, names, frames.SUBJECT)
    return [name for name in names if name in needed or (name in frames.SUBJECT and len(grouped(keys, [name])) > 1)]


def _pairs(made: TwoSides) -> list[CurvePair]:
    return list({pair.key: pair for line in made.lines for pair in line.pairs}.values())


def _cells(line: ComparedBudget, names: Sequence[str]) -> Iterator[str | Cell]:
    ahead = line.ahead
    yield line.budget.removeprefix("density=") or f"mean of {line.budgets}"
    for score, best in zip(line.scores, ("worse", "better"), strict=True):
        yield Cell(spread_text(score), ahead is not None and ahead.verdict == best)
    if ahead is None:
        yield from (MISSING, MISSING, MISSING, "unpaired: no verdict")
        return
    interval = MISSING
    if ahead.low is not None and ahead.high is not None:
        interval = f"[{scoring.signed(ahead.low, 2)}, {scoring.signed(ahead.high, 2)}]"
    verdict = ahead.said({"better": f"{names[1]} better", "worse": f"{names[0]} better"})
    needed = f" ({ahead.settled_by} seeds)" if ahead.settled_by else ""
    yield from (scoring.signed(ahead.mean, 2), interval, str(ahead.n), verdict + needed)


def _notes(made: TwoSides, names: Sequence[str]) -> Iterable[str]:
    second, unit = names[1], made.metric.change_unit
    judged = [line.ahead for line in made.lines if line.ahead is not None]
    notes = [_sides(made, names), _common(made)]
    if judged:
        notes.append(
            f"Mean ± sample standard deviation over the n seeds of both sides; bold: better. {second} ahead by: the "
            f"differences of the same seed, in {unit}, positive where {second} is better; mean and its 95 % interval. "
            "Of a mean over budgets, one number counts for each seed."
        )
    if any(one.n >= inference.FEWEST_SEEDS for one in judged):
        margins = scoring.amounts(made.metric, (one.margin for one in judged))
        notes.append(
            f"One side is better where the difference is clear of zero ({inference.corrected(judged)}), and both are "
            f"equivalent where it is surely within ±{margins}. {inference.NEAR_NOTE} In brackets: so many seeds in "
            "all would probably settle it."
        )
    if made.out_of_range:
        worst = f"{paired.worst_loss(made.metric):g} {unit}"
        notes.append(f"Not in a mean: budgets at which both sides have lost more than {worst} on average.")
    return [*notes, *_few_seeds(made), *_left(made, names), made.test_set]


def _sides(made: TwoSides, names: Sequence[str]) -> str:
    """What differs, with the values on each side."""
    pairs = _pairs(made)
    told = ["; or ".join(dict.fromkeys(words(pair.sides[place], pair.named) for pair in pairs)) for place in (0, 1)]
    if not any(told):
        return f"{_called(made, names)}The sides differ in no setting that is recorded."
    return f"{_called(made, names)}What differs: {told[0]} ({names[0]}) against {told[1]} ({names[1]})."


def _called(made: TwoSides, names: Sequence[str]) -> str:
    if tuple(names) == made.sides:
        return ""
    return f"{names[0]}: {made.sides[0]}. {names[1]}: {made.sides[1]}. "


def _common(made: TwoSides) -> str:
    """What is the same in all lines, of what a reader asks for first."""
    keys = [key for pair in _pairs(made) for key in pair.sides]
    subjects = {(str(key["model"]), str(key["data"])) for key in keys}
    same = [name for name in _METHOD if len({key[name] for key in keys}) == 1]
    told = [display_subject(*next(iter(subjects)))] if len(subjects) == 1 else []
    told += [f"{name} {display_name(name, text(keys[0][name]))}" for name in same]
    return f"All lines: {', '.join(told)}." if told else ""


def _few_seeds(made: TwoSides) -> Iterator[str]:
    if any(line.ahead is None for line in made.lines):
        yield (
            "Unpaired: the sides share no seed there, and only networks of one seed begin with the same weights and "
            "see the same batches. For a verdict, run both sides with the same seeds."
        )
    most = max((line.ahead.n for line in made.lines if line.ahead is not None), default=inference.FEWEST_SEEDS)
    if most < inference.FEWEST_SEEDS:
        yield f"A verdict takes {inference.FEWEST_SEEDS} seeds that both sides have (seed=0,1,2)."


def _left(made: TwoSides, names: Sequence[str]) -> Iterator[str]:
    """What was not compared, and why."""
    for place, (name, alone, left) in enumerate(zip(names, made.alone, made.left, strict=True)):
        if alone:
            curves = "curve without a partner" if len(alone) == 1 else "curves without a partner"
            told = _listed(alone, [pair.sides[place] for pair in _pairs(made)])
            yield f"Not compared: {left} points of {name}, of them those of {len(alone)} {curves}: {told}."
        elif left:
            yield f"Not compared: {left} points of {name}, of a budget or seed that the other side lacks."


def _listed(keys: Sequence[Key], compared: Sequence[Key]) -> str:
    """Some of these curves, by what tells them from each other and from those that are compared."""
    needed = telling([*keys, *compared], SETTINGS) or _METHOD
    told = [words(key, needed) for key in keys[:MOST_NAMED]]
    return "; ".join([*told, *([f"and {len(keys) - MOST_NAMED} more"] if len(keys) > MOST_NAMED else [])])
