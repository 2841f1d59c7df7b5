"""Ways beside each other, as the columns of a table: what each is ahead of a reference by, and which is the best.

Plain numbers; knows no record. A row gives each of its columns the value of each seed; differences are paired by seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from analysis.statistics import inference, scoring
from analysis.statistics.inference import Comparison
from pruneexp.schema import Metric
from pruneexp.summary.spread import spread

#: Values by column, then by seed.
Row = Mapping[str, Mapping[int, float]]


def against(
    reference: str, rows: Sequence[Row], metric: Metric, margins: Sequence[float], step: float = 0.0
) -> list[dict[str, Comparison]]:
    """Of each row, the columns that share a seed with the reference, compared with it; corrected over all rows.

    ``step`` is that of ``inference.compare``.
    """
    return _corrected([
        {name: inference.compare(found, margin, step=step) for name in row if name != reference and reference in row
         and (found := list(differences(row[name], row[reference], metric).values()))}
        for row, margin in zip(rows, margins, strict=True)
    ])  # fmt: skip


def best(rows: Sequence[Row], metric: Metric, margins: Sequence[float], step: float = 0.0) -> list[tuple[str, ...]]:
    """Of each row, the column that is better than every other, if one is: by verdicts, corrected over all rows.

    The column with the best mean is compared with all others. In a row without a difference it is found better than
    all less often than than one of them, so that looking for it first costs nothing.
    """
    leaders = [max(sorted(row), key=lambda name: _merit(row[name], metric)) if len(row) > 1 else "" for row in rows]
    compared = _corrected([
        {name: inference.compare(list(differences(row[leader], row[name], metric).values()) or [0.0], margin,
                                 step=step)
         for name in row if leader and name != leader}
        for row, leader, margin in zip(rows, leaders, margins, strict=True)
    ])  # fmt: skip
    return [(leader,) if others and all(other.verdict == "better" for other in others.values()) else ()
            for leader, others in zip(leaders, compared, strict=True)]  # fmt: skip


def said(of: Comparison) -> str:
    """What a column is ahead by, and the verdict: ``−0.40 [−1.15, +0.35] no evidence (9)``.

    The number in parentheses is that of the seeds that would probably settle it.
    """
    return f"{scoring.with_interval(of)} {settled(of)}"


def settled(of: Comparison) -> str:
    """The verdict, and in parentheses how many seeds would probably settle it."""
    return of.said() + (f" ({of.settled_by})" if of.settled_by else "")


def on_verdicts(metric: Metric, of: Iterable[Comparison]) -> str:
    """A note on the comparisons of a table: how their verdicts came about, or why there is none."""
    judged = [one for one in of if one.verdict != "no verdict"]
    if not judged:
        return "There is no verdict on fewer than three seeds that two columns share."
    margins = scoring.amounts(metric, (one.margin for one in judged))
    return (
        f"Better, worse: paired by seed, with the mean difference and its 95 % interval; "
        f"{inference.corrected(judged)}. Equivalent: surely within ±{margins}. In parentheses: so many "
        f"seeds in all would probably settle it. {inference.NEAR_NOTE}"
    )


def _merit(values: Mapping[int, float], metric: Metric) -> float:
    return scoring.gain(metric, spread(values.values()).mean)


def differences(own: Mapping[int, float], other: Mapping[int, float], metric: Metric) -> dict[int, float]:
    """What one column is ahead of another by, for each seed that both have, in ascending order."""
    shared = sorted(own.keys() & other.keys())
    gains = {seed: scoring.gain(metric, metric.change(other[seed], own[seed])) for seed in shared}
    return {seed: gain for seed, gain in gains.items() if math.isfinite(gain)}


def _corrected(rows: Sequence[Mapping[str, Comparison]]) -> list[dict[str, Comparison]]:
    made = iter(inference.holm([one for row in rows for one in row.values()]))
    return [{name: next(made) for name in row} for row in rows]
