"""Test sets: how many examples they have, and how well these few know an accuracy.

Knows the columns of points, and no figure or table.
"""

from __future__ import annotations

import pandas as pd

from analysis.names import display_name
from analysis.statistics import inference, scoring, selection
from pruneexp.schema import TOP1, TOP5, Metric


def examples(rows: pd.DataFrame) -> int | None:
    """How many examples the networks of these rows were tested on, the fewest; None where no record says it."""
    known = rows["test_examples"].dropna()
    return int(known.min()) if len(known) else None


def margin(rows: pd.DataFrame, given: float) -> float:
    """The margin of equivalence for networks of one data set; ``given`` where that is not 0.

    Raises:
        UserError: what is given is no such margin.
    """
    return inference.margin_of(examples(rows), given or None)


def step(rows: pd.DataFrame, metric: Metric) -> float:
    """What one example changes an accuracy by, in points; 0 of other metrics, and where records do not tell them."""
    count = examples(rows)
    return 100.0 / count if count and metric in (TOP1, TOP5) else 0.0


def note(rows: pd.DataFrame, metric: Metric, split: str) -> str:
    """A sentence on what the choice of the test examples leaves uncertain; empty where nothing is known of it.

    The accuracies are those of the dense networks, which the others are measured by.
    """
    if metric not in (TOP1, TOP5) or split != "test":
        return ""
    said = []
    for key, same in selection.groups(rows, ("data",)):
        count, value = examples(same), float(same[f"test.dense.{metric.name}"].mean())
        if count is not None and value == value:
            half = inference.sampling_error(value, count)
            of = f"{count:,} of {display_name('data', key['data'])}"
            said.append(f"by ±{half:.1f} points at {value:.1f} % on the {of}")
    example, _ = scoring.words(metric)
    start = f"Other test {example}s would move every accuracy, with any number of seeds"
    return f"{start}: {', '.join(said)} (95 %); two networks less against each other." if said else ""
