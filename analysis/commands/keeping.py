"""``python -m analysis keep FILE``: chosen points in one small file, which is read as a store is."""

from __future__ import annotations

import argparse

from analysis.commands import options
from analysis.records.uris import kept_path
from pruneexp.errors import UserError

SUMMARY = "the chosen points in one small file, which --tracking-uri FILE reads as it reads a store."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the file that is written, such as docs/records/demo.parquet")


def run(given: argparse.Namespace) -> int:
    """Status 0 with a file.

    Raises:
        UserError: the file has another ending or cannot be written, or no point was chosen.
    """
    path = kept_path(given.file)
    if path is None:
        raise UserError(f"{given.file}: kept records go into a file whose name ends in .parquet.")
    supply = options.supply(given, ["points and trials"], options.experiments(given))
    options.say_notes(supply.remarks())
    from analysis.publishing import publish
    from analysis.records import keeping

    chosen = set(supply.counted("points and trials")["run_id"])
    content = keeping.packed(given.tracking_uri, chosen)
    publish.write(path.parent, {path.name: content})
    print(f"{path}: {len(chosen)} points, {len(content) / 1000:.0f} kB")
    return 0
