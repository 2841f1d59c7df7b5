"""What is logged, and what can be made of it, as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from analysis.names import counted
from analysis.publishing import publish
from analysis.publishing.catalogue import Publication
from analysis.publishing.materials import Supply
from analysis.records import frames, scan_frames
from analysis.statistics import conditions, selection
from analysis.statistics.conditions import number
from pruneexp.errors import UserError


class Section(NamedTuple):
    """Records of one sort: a line for each combination of ``columns``, with what its records add up to.

    Records that agree in these and differ in ``conditions`` have a line each, with what tells them apart.
    """

    noun: str
    records: Callable[[Supply], pd.DataFrame]
    columns: tuple[str, ...]
    conditions: tuple[str, ...]
    sums: Mapping[str, Callable[[pd.DataFrame], str]]


def logged(supply: Supply) -> Iterator[str]:
    """Per sort of record and experiment, one line for each kind of curve, search or scan.

    Raises:
        UserError: nothing is logged, or nothing that meets the conditions.
    """
    lines: list[str] = []
    reasons: list[UserError] = []
    for section in SECTIONS:
        try:
            lines += _listed(section, section.records(supply))
        except UserError as reason:
            reasons.append(reason)
    if not lines:
        raise reasons[0]
    yield from lines


def possible(supply: Supply, publications: Iterable[Publication]) -> Iterator[str]:
    """A line for each figure and table that can be made, then one for each reason why others cannot."""

    def compute(publication: Publication, _: str, rows: pd.DataFrame) -> None:
        publication.module().data(rows)

    made, lacking = publish.each(publications, supply, compute)
    yield from (f"  {name}" for name in made)
    yield from (f"  {', '.join(names)}: not yet: {reason}" for reason, names in lacking.items())


def _listed(section: Section, records: pd.DataFrame) -> Iterator[str]:
    for key, same in selection.groups(records, ("experiment",)):
        yield f"{key['experiment']}: {counted(same['run_id'].nunique(), section.noun)}"
        columns = (*section.columns, *_telling(same, section))
        lines: list[tuple[str, ...]] = [(*columns, *section.sums)]
        for kind, rows in selection.groups(same, columns):
            told = (conditions.ABSENT if value is None else number(value) for value in kind.values())
            lines.append((*told, *(text(rows) for text in section.sums.values())))
        yield from _aligned(lines)


def _telling(records: pd.DataFrame, section: Section) -> tuple[str, ...]:
    """What tells records apart that agree in all columns of the section."""
    names = dict.fromkeys((*section.columns, *section.conditions))
    return conditions.telling_within(selection.combinations(records, list(names)), section.conditions, section.columns)


def _trials(supply: Supply) -> pd.DataFrame:
    points = supply.chosen("points and trials")
    return points[points["study"] != ""]


def _seeds(rows: pd.DataFrame) -> str:
    seeds = sorted({int(seed) for seed in rows["seed"]})
    return f"{len(seeds)} ({_range(seeds)})"


def _values(kind: str, value: str) -> Callable[[pd.DataFrame], str]:
    """``density 0.5 0.1``, from the columns of the kinds and of the values; mildest first."""

    def text(rows: pd.DataFrame) -> str:
        texts = []
        for key, same in selection.groups(rows, (kind,)):
            values = sorted({float(number) for number in same[value]}, reverse=key[kind] == "density")
            texts.append(f"{key[kind]} " + " ".join(f"{number:g}" for number in values))
        return "; ".join(texts)

    return text


def _different(column: str) -> Callable[[pd.DataFrame], str]:
    return lambda rows: str(rows[column].nunique())


def _range(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}–{seeds[-1]}"
    return ", ".join(map(str, seeds))


def _aligned(lines: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()


SECTIONS = (
    Section(
        "point",
        lambda supply: supply.in_words("points"),
        ("data", "model", "reg", "schedule", "mode", "criterion"),
        frames.CONDITIONS,
        {"seeds": _seeds, "budgets": _values(*frames.BUDGET)},
    ),
    Section(
        "trial",
        _trials,
        ("data", "model", "reg", "criterion", "study"),
        (),  # each trial has settings of its own
        {"seeds": _seeds, "points": _different("run_id")},
    ),
    Section(
        "scan",
        lambda supply: supply.in_words("scans"),
        ("data", "model", "reg", "criterion", "retrain_epochs"),
        scan_frames.CONDITIONS,
        {"seeds": _seeds, "layers": _different("group"), "levels": _values("level.kind", "level.value")},
    ),
)
