"""``python -m analysis compare A B``: two sides beside each other, as a table with verdicts and as a trade-off."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from analysis.commands import options
from analysis.commands.making import Making, make
from analysis.publishing.catalogue import Publication, chosen
from analysis.records import COPIES, experiments
from pruneexp.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from analysis.comparison.compared import TwoSides
    from analysis.comparison.sides import SideRequest

SUMMARY = "Two sides beside each other, point by point: experiments, sweeps, or what conditions choose."
_SIDE = (
    "a side: the name of an experiment or of a sweep (sweep:NAME where it is that of both), conditions such as "
    "reg=l1,schedule=one_shot, or a name and conditions, with commas between them"
)
TABLE = Publication("compare", "table", SUMMARY, place="analysis.comparison.table")
FIGURE = Publication("compare", "figure", SUMMARY, place="analysis.figures.tradeoff")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help=_SIDE)
    parser.add_argument("second", metavar="B", help="the other side; the table shows what it is ahead by")
    Making([TABLE, FIGURE]).add_arguments(parser)


def run(given: argparse.Namespace) -> int:
    """Status 0 with a table; where the figure cannot be drawn, a note says why."""
    from analysis.comparison.sides import Reading, sides

    reading = Reading(
        given.tracking_uri,
        options.experiments(given) or experiments(given.tracking_uri),
        options.conditions(given.where),
        COPIES,
    )
    points, notes = sides((_asked(given.first), _asked(given.second)), reading)
    options.say_notes(notes)
    name = "-".join((TABLE.name, *(re.sub(r"[^\w.]+", "_", side) for side in (given.first, given.second))))
    told = chosen(TABLE.module(), given)
    make(TABLE, name, points, {"first": given.first, "second": given.second, **told}, given.out)
    _draw(FIGURE._replace(name=name), points, TABLE.module().data(points, **told), given)
    return 0


def _draw(figure: Publication, points: pd.DataFrame, made: TwoSides, given: argparse.Namespace) -> None:
    """Draw what the table compares, a picture for each network; say why where that cannot be."""
    from analysis.comparison import drawn
    from analysis.publishing import publish

    asked = drawn.look(made) | chosen(figure.module(), given)
    try:
        for part, rows in publish.subjects(figure, drawn.points(points, made)):
            make(figure, part, rows, asked, given.out)
    except UserError as reason:
        options.say_notes([f"there is no figure: {reason}"])


def _asked(text: str) -> SideRequest:
    """A side, as the command line has it: ``demo6``, ``sweep:NAME``, ``reg=l1``, ``demo6,reg=l1,schedule=one_shot``.

    Raises:
        UserError: it says nothing, or has a part that is no condition.
    """
    from analysis.comparison.sides import SideRequest

    if not text.strip():
        raise UserError("a side is empty: name an experiment or a sweep, or give conditions such as reg=l1.")
    head, *rest = options.parts(text)
    if "=" in head:
        return SideRequest(text, "", "", options.conditions([text]))
    origin, colon, name = head.partition(":")
    if colon and origin in ("experiment", "sweep"):
        return SideRequest(text, origin, name, options.conditions(rest))
    return SideRequest(text, "", head, options.conditions(rest))
