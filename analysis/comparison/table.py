"""The table of a comparison: rows for its CSV, and cells to be read. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from analysis.comparison.compared import Compared, ComparedBudget, data
from analysis.comparison.matching import SETTINGS, Key
from analysis.names import display_name, display_subject
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text
from analysis.statistics import inference, paired, scoring
from analysis.statistics.conditions import cell, joined, telling, text, texts, words
from analysis.statistics.inference import Verdict

__all__ = ["data", "rows", "runs", "sheet"]

SHOWN = True
#: Sides with longer names are called by these in the cells, and told below the table.
SHORT, LETTERS = 24, ("A", "B")
#: What a table is of, whether or not it tells its lines apart.
_METHOD = ("reg", "criterion", "schedule", "mode")


class ComparedRow(NamedTuple):
    """One line as numbers, the second side against the first.

    ``ahead`` is in points, or per cent of the first side's value where scores are in no percent; ids of runs are
    separated by spaces. ``budgets`` is the number of budgets that the line is a mean over.
    """

    data: str
    model: str
    metric: str
    split: str
    first: str
    first_conditions: str
    second: str
    second_conditions: str
    budget: str
    budgets: int
    density: float
    first_mean: float
    first_std: float | None
    first_n: int
    second_mean: float
    second_std: float | None
    second_n: int
    ahead_mean: float | None
    ahead_low: float | None
    ahead_high: float | None
    n: int
    p: float | None
    margin: float
    verdict: str
    near: int
    seeds_needed: int | None
    runs: str


def runs(made: Compared) -> tuple[str, ...]:
    return tuple(sorted({run for entry in made.entries for run in entry.runs}))


def rows(made: Compared) -> Iterable[ComparedRow]:
    for entry in made.entries:
        (first, second), (ours, theirs) = entry.pair[:2], entry.scores
        ahead = entry.ahead
        judged = (None, None, None, 0, None) if ahead is None else (ahead.mean, ahead.low, ahead.high, ahead.n, ahead.p)
        yield ComparedRow(
            str(second["data"]), str(second["model"]), made.metric.name, made.split,
            made.sides[0], joined(texts(first, SETTINGS)), made.sides[1], joined(texts(second, SETTINGS)),
            entry.budget or "mean", entry.budgets, entry.density,
            ours.mean, ours.std, ours.n, theirs.mean, theirs.std, theirs.n,
            *judged, made.margin, "unpaired" if ahead is None else ahead.verdict,
            0 if ahead is None else int(ahead.near), None if ahead is None else ahead.seeds_needed, " ".join(entry.runs),
        )  # fmt: skip


def sheet(made: Compared) -> TableSheet:
    names = made.sides if max(map(len, made.sides)) <= SHORT else LETTERS
    told = _told(made)
    qualities = any(not entry.budget.startswith("density") for entry in made.entries if entry.budget)
    header = (*(name.replace("_", " ") for name, _ in told), "Budget" if qualities else "Density", *names,
              f"{names[1]} ahead by", "n", "Verdict", "seeds to settle it")  # fmt: skip
    lines = []
    for entry in made.entries:
        start = [values[id(entry.pair)] for _, values in told]
        lines.append(tuple(map(Cell, (*start, *_cells(made, entry, names)))))
    align = "l" * len(told) + "r" * 5 + "lr"
    unit = scoring.with_unit(made.metric, f"{made.metric.title} on {made.split}")
    return TableSheet(
        f"{made.sides[0]} against {made.sides[1]}: {unit}", header, align, tuple(lines), _notes(made, names)
    )


def _told(made: Compared) -> list[tuple[str, dict[int, str]]]:
    """Columns that tell the pairs apart: a heading, and the text of each pair by its ``id``."""
    pairs = list({id(entry.pair): entry.pair for entry in made.entries}.values())
    differing = {name for pair in pairs for name in pair.differing}
    agreed = telling([pair.first for pair in pairs], [name for name in SETTINGS if name not in differing])
    columns = [
        (name, {id(pair): display_name(name, cell(name, text(pair.first[name]))) for pair in pairs}) for name in agreed
    ]
    if len({tuple(pair.first[name] for name in agreed) for pair in pairs}) < len(
        pairs
    ):  # one curve has several partners
        for side, keys in zip(
            made.sides, ([pair.first for pair in pairs], [pair.second for pair in pairs]), strict=True
        ):
            if needed := telling(keys, [name for name in SETTINGS if name in differing]):
                columns.append(
                    (f"of {side}", {id(pair): words(key, needed) for pair, key in zip(pairs, keys, strict=True)})
                )
    return columns


def _cells(made: Compared, entry: ComparedBudget, names: Sequence[str]) -> Iterator[str]:
    yield entry.budget.removeprefix("density=") if entry.budget else f"mean of {entry.budgets}"
    yield from map(spread_text, entry.scores)
    if entry.ahead is None:
        yield from (MISSING, MISSING, "unpaired: no verdict", "")
        return
    said: dict[Verdict, str] = {"better": f"{names[1]} better", "worse": f"{names[0]} better"}
    yield from (scoring.with_interval(entry.ahead), str(entry.ahead.n), entry.ahead.said(said), entry.ahead.settled_by)


def _notes(made: Compared, names: Sequence[str]) -> tuple[str, ...]:
    second, unit = names[1], made.metric.change_unit
    notes = [_sides(made, names), _common(made)]
    counted = "Mean ± sample standard deviation over the seeds that both sides have."
    notes.append(
        f"{counted} {second} ahead by: the mean of the differences of the same seed, in {unit}, positive where {second} is "
        f"better, with its 95 % interval. The last line of a pair of curves is over the budgets of both; one number counts "
        "for each seed."
    )
    judged = sum(entry.ahead is not None and entry.ahead.n >= inference.FEWEST_SEEDS for entry in made.entries)
    if judged:
        notes.append(
            f"Verdicts at 5 %, corrected after Holm for the {judged} lines that have one; equivalent: surely less than "
            f"{made.margin:g} {unit} apart (--margin). Near the line: one standard error more or less would turn it."
        )
    notes += _few_seeds(made)
    if made.out_of_range:
        notes.append(
            f"Budgets at which both sides, on average, have lost more than {paired.RANGE:g} {unit} against their dense "
            "networks have no say in a mean over budgets."
        )
    return tuple(note for note in (*notes, *_left(made, names), made.test_set) if note)


def _sides(made: Compared, names: Sequence[str]) -> str:
    """What differs, with the values on each side."""
    pairs = [entry.pair for entry in made.entries]
    differing = [name for name in SETTINGS if any(name in pair.differing for pair in pairs)]
    needed = telling([key for pair in pairs for key in pair[:2]], differing)
    if not needed:
        return f"{_called(made, names)}The sides differ in no setting that is recorded."
    told = ["; or ".join(dict.fromkeys(words(pair[place], needed) for pair in pairs)) for place in (0, 1)]
    return f"{_called(made, names)}What differs: {told[0]} ({names[0]}) against {told[1]} ({names[1]})."


def _called(made: Compared, names: Sequence[str]) -> str:
    if tuple(names) == made.sides:
        return ""
    return f"{names[0]}: {made.sides[0]}. {names[1]}: {made.sides[1]}. "


def _common(made: Compared) -> str:
    """What is the same in all lines, of what a reader asks for first."""
    keys = [key for entry in made.entries for key in entry.pair[:2]]
    subjects = {(str(key["model"]), str(key["data"])) for key in keys}
    same = [name for name in _METHOD if len({key[name] for key in keys}) == 1]
    told = [display_subject(*next(iter(subjects)))] if len(subjects) == 1 else []
    told += [f"{name} {display_name(name, text(keys[0][name]))}" for name in same]
    return f"All lines: {', '.join(told)}." if told else ""


def _few_seeds(made: Compared) -> Iterator[str]:
    if any(entry.ahead is None for entry in made.entries):
        yield (
            "Unpaired: the sides share no seed there. Only networks of the same seed begin with the same weights and see "
            "the same batches, so there is no verdict: run both sides with the same seeds."
        )
    most = max((entry.ahead.n for entry in made.entries if entry.ahead is not None), default=inference.FEWEST_SEEDS)
    if most < inference.FEWEST_SEEDS:
        yield f"A verdict takes {inference.FEWEST_SEEDS} seeds that both sides have (seed=0,1,2)."


def _left(made: Compared, names: Sequence[str]) -> Iterator[str]:
    """What was not compared, and why."""
    for name, alone, left in zip(names, made.alone, made.left, strict=True):
        if alone:
            curves = "curve without a partner" if len(alone) == 1 else "curves without a partner"
            yield f"Not compared: {left} points of {name}, of them those of {len(alone)} {curves}: {_listed(alone)}."
        elif left:
            yield f"Not compared: {left} points of {name}, of a budget or seed that the other side lacks."


def _listed(keys: Sequence[Key], most: int = 4) -> str:
    needed = telling(keys, SETTINGS) or _METHOD
    told = [words(key, needed) for key in keys[:most]]
    return "; ".join([*told, *([f"and {len(keys) - most} more"] if len(keys) > most else [])])
