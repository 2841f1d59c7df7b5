"""Figures and tables as sections of a page, each with how it was obtained, and why others cannot be made yet."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd

from analysis.drawing import panels, style
from analysis.names import counted, display_subject
from analysis.publishing import publish
from analysis.publishing.catalogue import FOLDERS, Publication
from analysis.publishing.materials import SOURCES, Supply
from analysis.publishing.numbers import CsvRow, runs_of
from analysis.publishing.sheet import TableSheet
from analysis.report import markup
from analysis.report.listing import ListedRun, ranges
from analysis.report.markup import Html, element, folded, joined, link
from analysis.statistics import doubts

#: Letters of the longest text in a table of numbers.
MOST_LETTERS = 60


class Exhibit(NamedTuple):
    """One figure or table as a section; ``name`` is that of the files that its command makes, and its anchor."""

    name: str
    heading: str
    content: Html


class Makings(NamedTuple):
    """How what is shown is made: the words that all commands share, and by its name the options of each publication."""

    shared: Sequence[str]
    options: Mapping[str, Mapping[str, Any]]

    def command(self, name: str) -> str:
        """The command that makes the files of a publication."""
        return self._command(name, self.options[name])

    def whole(self) -> str:
        """The command that makes the page."""
        return self._command("report", {name: value for own in self.options.values() for name, value in own.items()})

    def _command(self, name: str, options: Mapping[str, Any]) -> str:
        own = [word for option, value in options.items() for word in _words(option, value)]
        return shlex.join(["python", "-m", "analysis", name, *own, *self.shared])


def _words(option: str, value: Any) -> tuple[str, ...]:
    """An option as it is given: a flag alone, anything else with its value."""
    flag = f"--{option.replace('_', '-')}"
    return (flag,) if value is True else (flag, str(value))


def exhibits(
    publications: Iterable[Publication], supply: Supply, makings: Makings, runs: Sequence[ListedRun]
) -> tuple[tuple[Exhibit, ...], Mapping[str, Sequence[str]]]:
    """Everything that can be made, results before what explains them; and the names of the others, by reason."""
    found: list[Exhibit] = []

    def make(publication: Publication, name: str, rows: pd.DataFrame) -> None:
        found.append(_exhibit(publication, name, rows, makings, runs))

    _, lacking = publish.each(sorted(publications, key=_place), supply, make)
    return tuple(found), lacking


def _place(publication: Publication) -> tuple[int, int]:
    """Points of curves come first, then what searches, layers and scans say of them; figures before tables."""
    return list(SOURCES).index(publication.made_of()), list(FOLDERS).index(publication.kind)


def _exhibit(
    publication: Publication, name: str, rows: pd.DataFrame, makings: Makings, runs: Sequence[ListedRun]
) -> Exhibit:
    module = publication.module()
    made = module.data(rows, **makings.options[publication.name])
    shown = publication.rows(made)
    heading = _heading(publication, name, rows)
    figure = publication.kind == "figure"
    content = _figure(module, made, shown, heading) if figure else _table(module, made, rows, shown)
    obtained = _obtained(makings.command(publication.name), publication.runs(made, shown), runs)
    return Exhibit(name, heading, joined([content, obtained], "\n"))


def _heading(publication: Publication, name: str, rows: pd.DataFrame) -> str:
    """What its help says, and of what it is where there may be others."""
    of = name.removeprefix(publication.name).removeprefix("-")
    if publication.kind == "figure":
        of = display_subject(rows["model"].iloc[0], rows["data"].iloc[0])
    return publication.summary.rstrip(".") + (f": {of}" if of else "")


def _figure(module: ModuleType, made: Any, rows: Sequence[CsvRow], heading: str) -> Html:
    caption = module.caption(made)
    picture = markup.picture(_svg(module, made, "page"), _svg(module, made, "column"), f"{heading}. {caption}")
    return joined([element("figure", picture, element("figcaption", caption)), _numbers(rows)], "\n")


def _svg(module: ModuleType, made: Any, width: style.Width) -> bytes:
    with style.applied(width), panels.without_words():  # the page has them below the picture
        drawn = module.draw(made)
    about = {"Title": "", "Description": "", "Source": ""}
    return style.pictures(drawn, about, width=width, format="svg")[".svg"]


def _table(module: ModuleType, made: Any, frame: pd.DataFrame, rows: Sequence[CsvRow]) -> Html:
    sheet: TableSheet = module.sheet(made)
    return markup.sheet(sheet._replace(notes=(*sheet.notes, *doubts.notes(frame, runs_of(rows)))))


def _numbers(rows: Sequence[CsvRow]) -> Html:
    """The numbers that a picture was drawn from, for readers who want them, or do not see the picture.

    What is the same in all rows, and what is too long to be read, as conditions in full, is left to the CSV.
    """
    columns = {name: [_number(row[name]) for row in rows] for name in rows[0] if name != "runs"}
    shown = {name: texts for name, texts in columns.items()
             if max(map(len, texts)) <= MOST_LETTERS and (len(set(texts)) > 1 or len(rows) == 1)}  # fmt: skip
    header = [name.replace("_", " ") for name in shown]
    lines = list(zip(*shown.values(), strict=True))
    return folded("The numbers in the picture", markup.table("Numbers", header, "l" * len(header), lines))


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _obtained(command: str, used: Sequence[str], runs: Sequence[ListedRun]) -> Html:
    numbers = {run.run_id: run.number for run in runs}
    known = [numbers[run] for run in used if run in numbers]
    return element("p", "Made of ", counted(len(used), "run"), " (", ranges(known), " of ", link("the list", "#runs"),
                   ") by ", element("code", command), class_="made")  # fmt: skip
