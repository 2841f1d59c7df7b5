"""``python -m analysis report``: one HTML page of all that can be made, in a file and, if asked for, on a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.commands import options
from analysis.publishing.catalogue import Publication, add_options, chosen
from analysis.records import DEFAULT_URI
from pruneexp.errors import redact

SUMMARY = "one HTML page of every figure and table, with settings and runs, to be sent or put on a run."
FILE = "report.html"


@dataclass(frozen=True)
class Reporting:
    """The command that makes a page of all these figures and tables."""

    publications: Sequence[Publication]

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--attach", action="store_true",
                            help="also put the page on the run of the sweep, where MLflow shows it")  # fmt: skip
        functions = [one.module().data for one in self.publications]  # a page has pictures of the widths it needs
        add_options(parser.add_argument_group("options of this command"), functions)

    def run(self, given: argparse.Namespace) -> int:
        from analysis.publishing import materials, publish
        from analysis.records.attaching import attach
        from analysis.report import page, results
        from analysis.report.subject import subject
        from analysis.report.target import target

        supply = options.supply(given, materials.SOURCES, options.experiments(given))
        options.say_notes(supply.remarks())
        shown = subject(supply)
        wanted = target(shown) if given.attach else None
        told = {one.name: chosen(one.module(), given) for one in self.publications}
        makings = results.Makings(_shared(given), told)
        text = page.written(shown, supply, self.publications, makings)
        print(*publish.write(given.out, {FILE: text.encode()}))
        if wanted is not None:
            print(f"on {wanted.name}: {attach(given.tracking_uri, *wanted[:3], FILE, text)}")
        return 0


def _shared(given: argparse.Namespace) -> list[str]:
    """The words of a command line that say what is read and by what it is made."""
    words = [] if given.tracking_uri == DEFAULT_URI else ["--tracking-uri", redact(given.tracking_uri)]
    several = [("--experiment", given.experiment or []), ("--where", given.where)]
    words += [word for flag, values in several for value in values for word in (flag, value)]
    plugins: Path | None = given.plugins
    return words if plugins is None else [*words, "--plugins", str(plugins)]
