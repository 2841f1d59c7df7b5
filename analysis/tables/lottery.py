"""Winning tickets against fresh weights at every learning rate, as in Liu et al. 2019, Table 8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.names import display_subject
from analysis.publishing.numbers import CsvRow, spread_columns, verdict_columns
from analysis.publishing.sheet import MISSING, TableSheet, spread_text, table_sheet
from analysis.records.frames import Split
from analysis.statistics import columns, inference, scoring, test_sets
from analysis.statistics.conditions import ABSENT, cell, headings, joined
from analysis.statistics.inference import Comparison
from analysis.statistics.modes import METHOD, DensityRow, beside_each_other, scored
from pruneexp.errors import UserError
from pruneexp.schema import Metric

TICKET, FRESH = "rewind", "scratch_e"
RATE = "train_lr"


class Lottery(NamedTuple):
    """The table; ``columns`` are those of ``entries`` that hold winning tickets, ``fresh`` that of fresh weights.

    ``varying`` names the conditions that tell rows apart beside the rate. ``apart`` says whether fresh weights have
    masks of their own in some, as in rounds that fine-tune.
    """

    split: Split
    metric: Metric
    columns: tuple[str, ...]
    fresh: str
    varying: tuple[str, ...]
    entries: tuple[DensityRow, ...]
    apart: bool
    test_set: str


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
) -> Lottery:
    """One entry per network, data set, density and set of conditions, the learning rate among them.

    Raises:
        UserError: no network is logged both rewound and with fresh weights.
    """
    metric = scoring.primary(frame)
    points = scored(_controls(frame[frame["mode"].isin((TICKET, FRESH))]), metric, split)
    made = beside_each_other(points, metric, margin, reference=FRESH)
    entries = [entry for entry in made.entries if entry.against]
    if not entries:
        raise UserError("no budget is logged both in mode=rewind and in mode=scratch_e under the same conditions: "
                        "mode=rewind,scratch_e makes them, train.lr=0.1,0.01 at two rates.")  # fmt: skip
    tickets = tuple(column for column, mode in made.columns if mode == TICKET)
    varying = tuple(name for name in made.varying if name != RATE)
    runs = {run for entry in entries for run in entry.runs}
    note = test_sets.note(frame[frame["run_id"].isin(runs)], metric, split)
    entries.sort(key=_place)
    apart = any(_masks_differ(points, entry) for entry in entries)
    return Lottery(split, metric, tickets, made.columns[0][0], varying, tuple(entries), apart, note)


def _controls(frame: pd.DataFrame) -> pd.DataFrame:
    """Where fresh weights have the masks of tickets in rounds, those that have others there are left out."""
    own = frame["rewound_masks"] == "true"
    others = (frame["mode"] == FRESH) & (frame["schedule"] != "one_shot") & ~own
    return frame[~others] if own.any() else frame


def _masks_differ(points: pd.DataFrame, entry: DensityRow) -> bool:
    """Whether those of one seed do."""
    masks = points[points["run_id"].isin(entry.runs)].groupby("seed")["mask_key"].nunique()
    return bool((masks > 1).any())


def _place(entry: DensityRow) -> tuple[object, ...]:
    """Rates below each other, the largest first."""
    told = dict(entry.conditions)
    others = tuple(item for item in entry.conditions if item[0] != RATE)
    return entry.data, entry.model, told["criterion"], -entry.density, entry.budget, -float(told.get(RATE, 0.0)), others


def rows(made: Lottery) -> Iterator[CsvRow]:
    """Winning tickets of one budget at one rate; the difference is positive where they are better than fresh weights.

    Runs are those of the whole table row.
    """
    for entry, ticket, of in _tickets(made):
        scores = dict(entry.scores)
        yield {
            "data": entry.data,
            "model": entry.model,
            "target": entry.paper.target if entry.paper else "",
            "metric": made.metric.name,
            "conditions": joined(entry.conditions),
            "budget": entry.budget,
            "density": entry.density,
            "train_lr": dict(entry.conditions).get(RATE, ""),
            "ticket": ticket,
            **spread_columns("unpruned", entry.unpruned),
            **spread_columns("fresh", scores[made.fresh]),
            **spread_columns("ticket", scores[ticket]),
            "n": of.n,
            **verdict_columns(of),
            "runs": " ".join(entry.runs),
        }


def _tickets(made: Lottery) -> Iterator[tuple[DensityRow, str, Comparison]]:
    for entry in made.entries:
        for column, of in entry.against:
            if column in made.columns:
                yield entry, column, of


def sheet(made: Lottery) -> TableSheet:
    subjects = dict.fromkeys(display_subject(entry.model, entry.data) for entry in made.entries)
    lead = (*["Network"] * (len(subjects) > 1), *headings(made.varying), "Target",
            *["Ticket"] * (len(made.columns) > 1))  # fmt: skip
    header = (*lead, "Density", "Rate", "Unpruned", "Random init", "Winning ticket", "n", "Ticket − random", "Verdict")
    title = f"Winning tickets against fresh weights (after Liu et al. 2019, Table 8), {' and '.join(subjects)}: "
    return table_sheet(
        title + scoring.with_unit(made.metric, f"{made.metric.title} on {made.split}"),
        header,
        "l" * len(lead) + "rrrrrrrl",
        _lines(made, len(subjects) > 1),
        _notes(made),
    )


def _lines(made: Lottery, named: bool) -> Iterator[tuple[str, ...]]:
    for entry, ticket, of in _tickets(made):
        told, scores = dict(entry.conditions), dict(entry.scores)
        start = [display_subject(entry.model, entry.data)] * named
        start += [cell(name, told.get(name, ABSENT)) for name in made.varying]
        start += [entry.paper.target if entry.paper else entry.budget] + [ticket] * (len(made.columns) > 1)
        values = map(spread_text, (entry.unpruned, scores[made.fresh], scores[ticket]))
        end = (*values, str(of.n), scoring.with_interval(of), columns.settled(of))
        yield *start, f"{entry.density:.3g}", told.get(RATE, MISSING), *end


def _notes(made: Lottery) -> Iterator[str]:
    yield (
        "Both are trained alike, for the epochs of the dense network: random init from fresh weights (Scratch-E), "
        "winning tickets from those that the dense network began with, or had at the epoch that is named. Rate: the "
        "first of training. Mean ± sample standard deviation over seeds."
    )
    yield (
        "Ticket − random: of values, positive where tickets are better; paired by seed, with its 95 % interval; "
        f"{inference.corrected(of for _, _, of in _tickets(made))}. {inference.NEAR_NOTE}"
    )
    if made.apart:
        yield (
            "Random inits have other masks than the tickets in some rows, as rounds of fine-tuning find them: "
            "mode=scratch_e +mode.rewound_masks=true trains them under the tickets' own."
        )
    same = dict(made.entries[0].conditions)
    common = ", ".join(f"{name} {same[name]}" for name in METHOD if name not in made.varying)
    yield f"All rows: {common}." if common else ""
    yield (
        "Liu et al. 2019 find that tickets help only where single weights are pruned and the rate is small (0.01 in "
        "place of 0.1), which is worse than the large one for both. Their Table 8 is not beside ours: none of its "
        "numbers but those of dense networks is confirmed."
    )
    yield made.test_set
