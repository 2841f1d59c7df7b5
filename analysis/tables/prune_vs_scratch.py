"""Inherited weights against fresh ones, row by row of the tables of Liu et al. 2019, of any pruning method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, NamedTuple

import pandas as pd

from analysis.names import display_name
from analysis.publishing.numbers import CsvRow, spread_columns, verdict_columns
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text, table_sheet, with_fewer
from analysis.records.frames import Split
from analysis.statistics import columns as beside
from analysis.statistics import inference, method_tables, scoring, test_sets
from analysis.statistics.conditions import ABSENT, cell, headings, joined
from analysis.statistics.inference import Comparison
from analysis.statistics.method_tables import LOGGED, PRUNED, SAME_DENSITY, TABLES, UNPRUNED, Method, PaperRow
from analysis.statistics.modes import METHOD, MODES, DensityRow, beside_each_other, missing, scored
from pruneexp.schema import TOP1, Metric
from pruneexp.summary.spread import Spread

#: Modes that train for the compute of the dense network, whose epochs may have a limit.
_OF_ITS_COMPUTE = ("scratch_b", "scratch_b_retraining")


class PruneVsScratch(NamedTuple):
    """The table; ``varying`` names the conditions that tell its rows apart.

    ``columns`` are those of the pruned networks with their mode: several of a mode whose switches differ. The others
    are compared with ``reference``, the first of them. ``printed`` are the rows of the paper's table that was asked
    for, whether or not they are logged. ``cap`` is the limit of Scratch-B's epochs where all have the
    same, as a multiple of those of the dense network. ``left_out`` counts the points of curves in one mode alone.
    """

    split: Split
    metric: Metric
    table: Method
    columns: tuple[tuple[str, str], ...]
    reference: str
    varying: tuple[str, ...]
    entries: tuple[DensityRow, ...]
    printed: tuple[PaperRow, ...]
    cap: float | None
    left_out: int
    test_set: str


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one; or top5"] = scoring.AUTO,
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
    table: Annotated[Method, "logged: what is recorded; or the whole table of the paper's on one method"] = LOGGED,
) -> PruneVsScratch:
    """One entry per (data, model, density) and per set of conditions, from the modes that were logged.

    Raises:
        UserError: nothing with this metric is logged, or nothing that could be compared, and no number of the paper's
            stands in this table.
    """
    chosen = scoring.judged(frame, metric)
    points = scored(frame, chosen, split)
    made = beside_each_other(points, chosen, margin, table)
    rows = method_tables.printed(table) if chosen == TOP1 else ()
    if not made.entries and not rows:
        raise missing(points) if table == LOGGED else method_tables.unknown(table)
    shown = {run for entry in made.entries for run in entry.runs}
    left_out = 0 if table != LOGGED else points["run_id"].nunique() - made.shown
    used = points[points["run_id"].isin(shown)]
    caps = set(used.loc[used["mode"].isin(_OF_ITS_COMPUTE), "cap"].astype(float).fillna(0.0))
    cap = max(caps) or None if len(caps) == 1 else None
    told = test_sets.note(frame[frame["run_id"].isin(shown)], chosen, split)
    return PruneVsScratch(
        split, chosen, table, made.columns, made.columns[0][0], made.varying, made.entries, rows, cap, left_out, told
    )


def rows(made: PruneVsScratch) -> Iterator[CsvRow]:
    """One cell of the table, and by what it is ahead of the fine-tuned networks; runs are those of the whole table row.

    ``change`` is that against the dense network, the only number of some of the paper's. The difference is positive for
    the better, over the seeds that both have.
    """
    for entry in made.entries:
        yield from _of_entry(made, entry)
    for paper in dict.fromkeys((*made.printed, *(entry.paper for entry in made.entries if entry.paper))):
        where = {
            "source": paper.source,
            "data": paper.data,
            "model": paper.model,
            "target": paper.target,
            "metric": TOP1.name,
            "budget": "",
            "density": paper.kept,
            "density_all": None,
            "conditions": "",
        }
        for column, value in paper.scores:
            changed = paper.of.changes and not column.startswith(UNPRUNED)
            score, change = None if changed else value, value if changed else None
            yield {**where, **_value_columns(column, score, change, value.n), "runs": ""}


def _of_entry(made: PruneVsScratch, entry: DensityRow) -> Iterator[CsvRow]:
    where = {
        "source": "runs",
        "data": entry.data,
        "model": entry.model,
        "target": entry.paper.target if entry.paper else "",
        "metric": made.metric.name,
        "budget": entry.budget,
        "density": entry.density,
        "density_all": entry.density_all,
        "conditions": joined(entry.conditions),
    }
    against, changes = dict(entry.against), dict(entry.changes)
    pruned = ((PRUNED, entry.pruned),) if entry.pruned and entry.table and entry.table.untuned else ()
    for column, value in ((UNPRUNED, entry.unpruned), *pruned, *entry.scores):
        numbers = _value_columns(column, value, changes.get(column), value.n, column in entry.best, against.get(column))
        yield {**where, **numbers, "runs": " ".join(entry.runs)}


def _value_columns(
    column: str, value: Spread | None, change: Spread | None, n: int, best: bool = False, of: Comparison | None = None
) -> dict[str, Any]:
    return {
        "column": column,
        **spread_columns("value", value),
        "n": n,
        "best": int(best),
        **spread_columns("change", change),
        "difference_n": of.n if of else None,
        **verdict_columns(of),
    }


class _Layout(NamedTuple):
    """Which columns the sheet has beside those of every table."""

    varying: tuple[str, ...]
    targets: bool
    partial: bool
    lead: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    of_paper: bool

    def as_changes(self, entry: DensityRow) -> bool:
        """Whether a row shows changes of the score: it stands among the paper's rows, and those do."""
        among = self.of_paper or entry.paper is not None
        return among and entry.table is not None and entry.table.changes


def sheet(made: PruneVsScratch) -> TableSheet:
    layout = _layout(made)
    header = ["Data", "Network", *headings(layout.varying)]
    header += ["Target"] * layout.targets + ["Density"] + ["of all weights"] * layout.partial
    header += [*layout.lead, *(column for column, _ in made.columns), "n"]
    numbers = len(made.columns) + len(layout.lead) + 2 + layout.partial
    return table_sheet(
        _title(made),
        header,
        "l" * (len(header) - numbers) + "r" * numbers,
        (line for paper, entries in _blocks(made) for line in _lines(layout, paper, entries)),
        _notes(made, layout),
    )


def _layout(made: PruneVsScratch) -> _Layout:
    of = [*(entry.paper for entry in made.entries if entry.paper), *made.printed]
    budgets = [entry.budget for entry in made.entries]
    return _Layout(
        made.varying,
        bool(of) or any(not budget.startswith("density=") for budget in budgets),
        any(abs(entry.density - entry.density_all) > SAME_DENSITY for entry in made.entries),
        (UNPRUNED, *[PRUNED] * any(method.untuned for method in _methods(made))),
        made.columns,
        made.table != LOGGED,
    )


def _methods(made: PruneVsScratch) -> list[method_tables.MethodTable]:
    """The paper's tables on what is shown."""
    return [paper.of for paper in made.printed] + [entry.table for entry in made.entries if entry.table]


def _title(made: PruneVsScratch) -> str:
    of = "" if made.table == LOGGED else f", {TABLES[made.table].number}, {TABLES[made.table].title}"
    said = scoring.with_unit(made.metric, f"{made.metric.title} on {made.split}")
    return f"Pruned and fine-tuned, against trained from scratch (after Liu et al. 2019{of}): {said}"


def _blocks(made: PruneVsScratch) -> Iterator[tuple[PaperRow | None, Sequence[DensityRow]]]:
    """Our rows by that of the paper's which stands beneath them; in a table of the paper's all of its own."""
    if made.table == LOGGED:
        yield from ((paper, list(entries)) for paper, entries in groupby(made.entries, lambda entry: entry.paper))
        return
    for paper in made.printed:
        yield paper, [entry for entry in made.entries if entry.paper == paper]
    yield None, [entry for entry in made.entries if entry.paper is None]


def _lines(layout: _Layout, paper: PaperRow | None, entries: Sequence[DensityRow]) -> Iterator[tuple[str | Cell, ...]]:
    for entry in entries:
        yield _line_of(layout, entry)
        if entry.against:
            yield _against(layout, dict(entry.against))
    if paper is None:
        return
    blank = [""] * (len(layout.varying) + 1)
    names = [display_name("data", paper.data), display_name("model", paper.model)]
    if not entries:
        empty = [MISSING] * (1 + layout.partial + len(layout.lead) + len(layout.columns))
        yield *names, *blank[1:], paper.target, *empty, "0"
    first = {MODES[mode]: column for column, mode in reversed(layout.columns)}
    values = {first.get(column, column): value for column, value in paper.numbers.items()}
    unpruned = " / ".join(map(spread_text, paper.unpruned))
    texts = {name: _text(value, changes=paper.of.changes) for name, value in values.items()} | {UNPRUNED: unpruned}
    start = ["", "Liu et al. 2019", *blank[1:], paper.target, *[""] * (1 + layout.partial)]
    ours = [*layout.lead, *(column for column, _ in layout.columns)]
    most = max(value.n for _, value in paper.scores)
    yield *start, *(texts.get(column, MISSING) for column in ours), str(most)


def _line_of(layout: _Layout, entry: DensityRow) -> tuple[str | Cell, ...]:
    named = dict(entry.conditions)
    start = [display_name("data", entry.data), display_name("model", entry.model)]
    start += [cell(name, named.get(name, ABSENT)) for name in layout.varying]
    start += [entry.paper.target if entry.paper else entry.budget] * layout.targets
    start += [f"{entry.density:.3g}"] + [f"{entry.density_all:.3g}"] * layout.partial
    return (*start, *_cells(entry, layout))


def _against(layout: _Layout, against: Mapping[str, Comparison]) -> tuple[str, ...]:
    """What each column of the line above is ahead of the reference by."""
    (reference, _), *others = layout.columns
    blank = [""] * (len(layout.varying) + layout.targets + 1 + layout.partial + len(layout.lead) + 1)
    told = (beside.said(against[column]) if column in against else "" for column, _ in others)
    return "", f"against {reference}", *blank, *told, ""


def _cells(entry: DensityRow, layout: _Layout) -> list[Cell]:
    changes = layout.as_changes(entry)
    shown: Mapping[str, Spread | None] = {
        UNPRUNED: entry.unpruned,
        PRUNED: entry.pruned,
        **dict(entry.changes if changes else entry.scores),
    }
    most = max(value.n for value in shown.values() if value)
    cells = []
    for column in (*layout.lead, *(name for name, _ in layout.columns)):
        value = shown.get(column)
        text = _text(value, changes=changes and column != UNPRUNED)
        cells.append(Cell(with_fewer(text, value, most), column in entry.best))
    return [*cells, Cell(str(most))]


def _text(value: Spread | None, *, changes: bool) -> str:
    text = spread_text(value)
    return text.replace("-", "−") if not changes or value is None or value.mean < 0 else f"+{text}"


def _notes(made: PruneVsScratch, layout: _Layout) -> tuple[str, ...]:
    of = "the weights that the criterion may prune" if layout.partial else "the weights"
    is_charged = "scratch_b_retraining" in dict(layout.columns).values()
    charged = ", and with retraining for that of fine-tuning too" * is_charged
    limit = f", in at most {made.cap:g} times its epochs" if made.cap else ""
    note = (
        f"Density: kept share of {of}. Mean ± sample standard deviation over n seeds; bold: better than every other "
        f"column of its row; {MISSING}: not logged. Scratch-E trains for the epochs of the dense network, Scratch-B "
        f"for its compute{charged}{limit}; Rewound trains again from the initial weights, or from those of the epoch "
        "that is named."
    )
    same = dict(made.entries[0].conditions) if made.entries else {}
    told = [*METHOD, *["train_epochs", "retrain_epochs"] * (same.get("train_epochs", "0") != "0")]
    common = ", ".join(f"{name.replace('_', ' ')} {same[name]}" for name in told
                       if name in same and name not in made.varying)  # fmt: skip
    left_out = f"Not shown: {made.left_out} points of curves in one mode alone." if made.left_out else ""
    ours = dict.fromkeys(entry.paper for entry in made.entries if entry.paper)
    on_paper = method_tables.notes([*made.printed, *ours], [row for row in made.printed if row not in ours])
    of_changes = any(paper.of.changes for paper in made.printed) or any(map(layout.as_changes, made.entries))
    changes = method_tables.on_changes() if of_changes else ""
    every = f"All rows: {common}." if common else ""
    return note, _on_verdicts(made), every, changes, *on_paper, left_out, made.test_set


def _on_verdicts(made: PruneVsScratch) -> str:
    compared = (of for entry in made.entries for _, of in entry.against)
    return beside.on_verdicts(made.metric, compared) if made.entries else ""
