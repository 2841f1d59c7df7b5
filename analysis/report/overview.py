"""What a page begins with: its title, and what was run in a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from analysis.names import display_subject
from analysis.records import frames
from analysis.report.subject import Subject
from analysis.statistics import conditions, selection

#: Values of one condition that a sentence names before it only counts them.
MOST_NAMED = 8


def title(subject: Subject) -> str:
    """``Pruning LeNet-5 on MNIST (5,000 digits)``; the number of networks and data sets where they are several."""
    pairs = _subjects(subject)
    if len(pairs) == 1:
        return f"Pruning {pairs[0]}"
    return f"Pruning {len(pairs)} networks and data sets"


def paragraph(subject: Subject) -> str:
    """Networks, data, points, seeds, what differs, and when they were recorded."""
    sentences = [f"{_enumerated(_subjects(subject))}: {_counts(subject)}."]
    sentences += [f"What differs: {told}." for told in [_differing(subject)] if told]
    experiments = subject.experiments()
    where = f"experiment{'s' if len(experiments) > 1 else ''} {_enumerated(experiments)}"
    return " ".join([*sentences, f"Recorded {_dates(subject)} in the {where}."])


def _subjects(subject: Subject) -> list[str]:
    pairs = {pair for rows in subject.frames() for pair in zip(rows["model"], rows["data"], strict=True)}
    return [display_subject(model, data) for model, data in sorted(pairs)]


def _counts(subject: Subject) -> str:
    """``120 trade-off points of 24 curves at density 0.5, 0.1; 6 seeds (0–5)``."""
    parts = []
    if subject.points is not None:
        of = [_plural(sum(one.kind == kind for one in subject.above), noun)
              for kind, noun in (("curve", "curve"), ("study", "study"))
              if any(one.kind == kind for one in subject.above)]  # fmt: skip
        of_what = f" of {' and '.join(of)}" if of else ""
        parts.append(f"{_plural(len(subject.points), 'trade-off point')}{of_what} at {_budgets(subject.points)}")
    if subject.scans is not None:
        parts.append(_plural(len(subject.scans), "sensitivity scan"))
    seeds = sorted({int(seed) for rows in subject.frames() for seed in rows["seed"]})
    return f"{'; '.join(parts)}; {_plural(len(seeds), 'seed')} ({_ranges(seeds)})"


def _budgets(points: pd.DataFrame) -> str:
    """``density 0.5, 0.1``: each kind with its values, those first that keep the most."""
    ordered = points.sort_values("density", ascending=False, kind="stable")
    kinds: dict[str, list[str]] = {}
    for key in selection.combinations(ordered, frames.BUDGET):
        kind, value = key.values()
        kinds.setdefault(kind, []).append(f"{value:g}")
    return "; ".join(f"{kind} {_enumerated(values)}" for kind, values in kinds.items())


def _ranges(seeds: Sequence[int]) -> str:
    whole = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1))
    return f"{seeds[0]}–{seeds[-1]}" if whole else _enumerated(list(map(str, seeds)))


def _differing(subject: Subject) -> str:
    if subject.points is None:
        return ""
    names = ("mode", *frames.CONDITIONS)
    keys = selection.combinations(subject.points, names)
    told = conditions.telling(keys, names)
    return "; ".join(f"{name.replace('_', ' ')} ({_enumerated(_values(keys, name))})" for name in told)


def _values(keys: Sequence[dict[str, object]], name: str) -> list[str]:
    return list(dict.fromkeys(conditions.cell(name, conditions.text(key[name])) for key in keys))


def _dates(subject: Subject) -> str:
    """The first and the last moment at which a record began, in UTC."""
    moments = pd.concat([rows["started"] for rows in subject.frames()])
    first, last = (_date(moment) for moment in (moments.min(), moments.max()))
    return f"{first} UTC" if first == last else f"from {first} to {last} UTC"


def _date(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _plural(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun.removesuffix('y')}ies" if noun.endswith("y") else f"{count} {noun}s"


def _enumerated(texts: Sequence[str]) -> str:
    shown = ", ".join(texts[:MOST_NAMED])
    return shown if len(texts) <= MOST_NAMED else f"{shown} and {len(texts) - MOST_NAMED} more"
