"""What a page begins with: its title, and what was run in a few sentences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from analysis.names import counted, display_name, display_subject, listed
from analysis.records import frames
from analysis.report.subject import Subject
from analysis.statistics import conditions, selection

#: Values of one condition that a sentence names before it only counts them.
MOST_NAMED = 8
MOST_IN_TITLE = 4


def title(subject: Subject) -> str:
    """``Pruning LeNet-5 on MNIST (5,000 digits)``; where they are many, how many networks and data sets there are."""
    pairs = _pairs(subject)
    models, data = (list(dict.fromkeys(names)) for names in zip(*pairs, strict=True))
    if len(data) == 1 and len(models) <= MOST_IN_TITLE:
        *first, last = (display_name("model", model) for model in models)
        named = " and ".join(filter(None, (", ".join(first), last)))
        return f"Pruning {named} on {display_name('data', data[0])}"
    return f"Pruning {counted(len(models), 'network')} on {counted(len(data), 'data set')}"


def paragraph(subject: Subject) -> str:
    """Networks, data, points, seeds, what differs, and when they were recorded."""
    subjects = [display_subject(*pair) for pair in _pairs(subject)]
    sentences = [f"{_enumerated(subjects)}: {_counts(subject)}."]
    sentences += [f"What differs: {told}." for told in [_differing(subject)] if told]
    experiments = subject.experiments()
    where = f"experiment{'s' if len(experiments) > 1 else ''} {_enumerated(experiments)}"
    return " ".join([*sentences, f"Recorded {_dates(subject)} in the {where}."])


def _pairs(subject: Subject) -> list[tuple[str, str]]:
    """Each network with each data set that it was trained on."""
    return sorted({pair for rows in subject.frames() for pair in zip(rows["model"], rows["data"], strict=True)})


def _counts(subject: Subject) -> str:
    """``120 trade-off points of 24 curves at density 0.5, 0.1; 20 points of 1 search; 6 seeds (0–5)``."""
    parts = []
    if not (points := _of_curves(subject)).empty:
        curves = counted(points["curve_key"].nunique(), "curve")
        parts.append(f"{counted(len(points), 'trade-off point')} of {curves} at {_budgets(points)}")
    if subject.points is not None and not (trials := subject.points[subject.points["study"] != ""]).empty:
        parts.append(f"{counted(len(trials), 'point')} of {counted(trials['study'].nunique(), 'search')}")
    if subject.scans is not None:
        parts.append(counted(len(subject.scans), "sensitivity scan"))
    seeds = sorted({int(seed) for rows in subject.frames() for seed in rows["seed"]})
    return f"{'; '.join(parts)}; {counted(len(seeds), 'seed')} ({_ranges(seeds)})"


def _of_curves(subject: Subject) -> pd.DataFrame:
    return pd.DataFrame() if subject.points is None else selection.of_curves(subject.points)


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
    """What differs between the curves, but for what there are no words for; the settings below tell that."""
    points = _of_curves(subject)
    if points.empty:
        return ""
    names = ("mode", *frames.CONDITIONS)
    keys = selection.combinations(points, names)
    told = {name: _values(keys, name) for name in conditions.telling(keys, names)}
    worded = {name: values for name, values in told.items() if not conditions.hashed(name) or " " in values[0]}
    return "; ".join(f"{name.replace('_', ' ')} ({_enumerated(values)})" for name, values in worded.items())


def _values(keys: Sequence[dict[str, object]], name: str) -> list[str]:
    return list(dict.fromkeys(display_name(name, conditions.text(key[name])) for key in keys))


def _dates(subject: Subject) -> str:
    """The first and the last moment at which a record began, in UTC."""
    moments = pd.concat([rows["started"] for rows in subject.frames()])
    first, last = (_date(moment) for moment in (moments.min(), moments.max()))
    return f"{first} UTC" if first == last else f"from {first} to {last} UTC"


def _date(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _enumerated(texts: Sequence[str]) -> str:
    return listed(texts, MOST_NAMED)
