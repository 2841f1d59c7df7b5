"""``python -m analysis FIGURE | TABLE | all``: makes the files of figures and tables, and prints where they are.

Knows no figure or table by name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.commands import options
from analysis.publishing.catalogue import Publication, add_options, chosen, makers
from pruneexp.terminal import page_width

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Making:
    """The command that makes these figures and tables."""

    publications: Sequence[Publication]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        functions = [function for one in self.publications for function in makers(one.module())]
        add_options(parser.add_argument_group("options of this command"), functions)

    def run(self, given: argparse.Namespace) -> int:
        """Status 0 where something was made; else 2, and why is said."""
        from analysis.publishing import publish

        def one(publication: Publication, name: str, rows: pd.DataFrame) -> None:
            make(publication, name, rows, chosen(publication.module(), given), given.out)

        wanted = [publication.made_of() for publication in self.publications]
        supply = options.supply(given, wanted, options.experiments(given))
        options.say_notes(supply.remarks())
        made, lacking = publish.each(self.publications, supply, one)
        for reason, names in lacking.items():
            print(f"{', '.join(names)}: {reason}", file=sys.stderr)
        return 0 if made else 2


def make(publication: Publication, name: str, rows: pd.DataFrame, told: Mapping[str, Any], out: Path) -> None:
    """Make the files of one figure or table with these options, where they are not there yet, and say where they are.

    Raises:
        UserError: the rows have nothing for it to show, or the folder cannot be written to.
    """
    from analysis.publishing import publish, upkeep

    paths = upkeep.kept(out, name, upkeep.inputs(name, told, rows, publication.own_code()))
    paths = paths or publish.write(out, publish.files(publication, name, rows, told))
    if publication.kind == "table":
        print(publish.text(paths, page_width(), styled=sys.stdout.isatty()))
    print(*paths, sep="\n")
