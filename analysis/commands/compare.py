"""``python -m analysis compare A B``: two sides beside each other, with a verdict and a figure."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from analysis.commands import options
from analysis.commands.making import make
from analysis.publishing.catalogue import Publication
from analysis.records import COPIES

if TYPE_CHECKING:
    from analysis.comparison.sides import Asked

SUMMARY = "Two sides beside each other, point by point: experiments, sweeps, or what conditions choose."
_SIDE = (
    "a side: an experiment or a sweep by its name (experiment:NAME or sweep:NAME where it is both), conditions such as "
    "reg=l1,schedule=one_shot, or a name and conditions, one comma between each"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help=_SIDE)
    parser.add_argument("second", metavar="B", help="the other side; what it is ahead by is shown")
    group = parser.add_argument_group("options of this command")
    group.add_argument("--split", choices=("test", "val"), default="test", help="of scores (default: %(default)s)")
    group.add_argument(
        "--metric", default="auto", metavar="NAME", help="auto: the primary one; or top5 (default: auto)"
    )
    group.add_argument("--margin", type=float, default=0.0, metavar="POINTS",
                       help="a difference that is worth nothing, in points or per cent (default: 0.5, or 1 on "
                            "fewer than 5,000 test examples)")  # fmt: skip


def run(given: argparse.Namespace) -> int:
    from analysis.comparison import sides, table

    reading = sides.Reading(
        given.tracking_uri,
        given.experiment or [options.EXPERIMENT],
        options.conditions(given.where),
        None if given.no_copy else COPIES,
    )
    points, notes = sides.sides((_asked(given.first), _asked(given.second)), reading)
    options.say_notes(notes)
    name = "-".join(("compare", *(re.sub(r"[^\w.]+", "_", side) for side in (given.first, given.second))))
    told = {"split": given.split, "metric": given.metric, "margin": given.margin}
    make(Publication(name, "table", SUMMARY, place=table.__name__), name, points, told, given.out)
    return 0


def _asked(text: str) -> Asked:
    """A side, as the command line has it: ``demo6``, ``sweep:NAME``, ``reg=l1``, ``demo6,reg=l1,schedule=one_shot``."""
    from analysis.comparison.sides import Asked

    head, *rest = options.parts(text)
    if "=" in head:
        return Asked(text, "", "", options.conditions([text]))
    origin, colon, name = head.partition(":")
    if colon and origin in ("experiment", "sweep"):
        return Asked(text, origin, name, options.conditions(rest))
    return Asked(text, "", head, options.conditions(rest))
