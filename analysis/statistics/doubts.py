"""Points whose scores say less than they seem to: of networks that answer all examples alike, or with no number.

Knows the columns of points, and no figure or table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pandas as pd

from analysis.names import counted, display_name
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import text
from analysis.statistics.curves import budget_text

#: Curves that a note names before it only counts their points.
MOST_NAMED = 4
_NAMED_BY = ("model", "data", "reg", "criterion", "schedule", "mode")


def doubtful(points: pd.DataFrame, split: str, when: str) -> pd.Series[bool]:
    """Whether a point's score on a split before or after retraining rests on such answers."""
    undefined = points[f"{split}.{when}.undefined"].fillna(0) > 0
    return undefined | points["disconnected"] if when == "after" else undefined


def notes(points: pd.DataFrame, runs: Collection[str]) -> tuple[str, ...]:
    """A sentence for each kind of doubt about the points of these runs, with the points it is about."""
    if "disconnected" not in points:  # scans say so themselves
        return ()
    shown = points[points["run_id"].isin(list(runs))]
    example, outputs = ("image", "Logits") if shown["task"].isna().all() else ("example", "Outputs")
    return tuple(
        f"{what}: {named}."
        for what, rows in (
            (f"Disconnected, with the same outputs for every {example}", shown[shown["disconnected"]]),
            (f"{outputs} that are not numbers count as wrong answers", shown[shown["undefined"] != ""]),
        )
        if (named := "; ".join(_named(rows)))
    )


def _named(rows: pd.DataFrame) -> Iterator[str]:
    found = list(selection.groups(rows, _NAMED_BY))
    for key, same in found[:MOST_NAMED]:
        budgets = ", ".join(budget_text(*budget.values()) for budget, _ in selection.groups(same, frames.BUDGET))
        named = ", ".join(display_name(name, text(value)) for name, value in key.items())
        yield f"{named} at {budgets} ({counted(len(same), 'point')})"
    if len(found) > MOST_NAMED:
        yield f"and {len(rows) - sum(len(same) for _, same in found[:MOST_NAMED])} points more"
