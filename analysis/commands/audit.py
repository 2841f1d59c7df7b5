"""``python -m analysis audit``: recommendations for comparisons, held against the logged runs; scripts read the status.

Exit status: 0 no check fails, 1 one does, 2 there is nothing to check.
"""

from __future__ import annotations

import argparse

from analysis.commands import options
from analysis.commands.making import Making, make
from analysis.publishing.catalogue import Publication, chosen

SUMMARY = "The recommendations for comparing pruning methods, held against the logged runs; status 1 where one fails."
TABLE = Publication("audit", "table", SUMMARY)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    Making([TABLE]).add_arguments(parser)


def run(given: argparse.Namespace) -> int:
    supply = options.supply(given, [TABLE.made_of()], options.experiments(given))
    options.say_notes(supply.remarks())
    points, told = supply.counted(TABLE.made_of()), chosen(TABLE.module(), given)
    make(TABLE, TABLE.name, points, told, given.out)
    return int(TABLE.module().data(points, **told).fails)
