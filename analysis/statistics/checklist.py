"""What a check of logged points finds, and what checks share: curves by name, and lists that fit a cell.

Knows the columns of points, and no check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import pandas as pd

from analysis.names import display_subject
from analysis.names import listed as names_listed
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import telling, words

#: ``not recorded``: the records do not say it.
CheckVerdict = Literal["holds", "fails", "not applicable", "not recorded"]
#: Names that a cell lists before it only counts them.
MOST_NAMED = 3


class Finding(NamedTuple):
    """What a check found: the evidence in a few words, and of what fails what would mend it, and the runs at fault."""

    verdict: CheckVerdict
    evidence: str
    mend: str = ""
    runs: tuple[str, ...] = ()


class Check(NamedTuple):
    """One check: its name, what it asks for, who asks for it, and the function that looks."""

    name: str
    asks: str
    source: str
    find: Callable[[pd.DataFrame], Finding]


def failing(evidence: str, rows: pd.DataFrame, mend: str = "") -> Finding:
    """The finding that these points are at fault."""
    return Finding("fails", evidence, mend, tuple(sorted(set(rows["run_id"]))))


def listed(names: Sequence[str]) -> str:
    """``a, b, c and 2 more``, each once; semicolons stand between names that have commas."""
    each = list(dict.fromkeys(names))
    return names_listed(each, MOST_NAMED, "; " if any("," in name for name in each) else ", ")


def curves(points: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each curve over its seeds, by what tells it from the others of its network and data set."""
    names, found = ("mode", *frames.CONDITIONS), subjects(points)
    made = []
    for subject, of_subject in found:
        told = telling(selection.combinations(of_subject, names), names)
        for key, rows in selection.groups(of_subject, names):
            parts = [subject] * (len(found) > 1) + [words(key, told)]
            made.append((", ".join(filter(None, parts)) or subject, rows))
    return made


def subjects(points: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each network on each data set, by its name."""
    found = selection.groups(points, frames.SUBJECT)
    return [(display_subject(key["model"], key["data"]), rows) for key, rows in found]
