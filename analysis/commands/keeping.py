"""``python -m analysis keep FILE``: chosen points and scans in one small file, which is read as a store is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from analysis.commands import options
from analysis.names import counted
from analysis.records.uris import kept_path
from pruneexp.errors import UserError

if TYPE_CHECKING:
    from analysis.publishing.catalogue import Material
    from analysis.publishing.materials import Supply

SUMMARY = "the chosen points and scans in one small file, which --tracking-uri FILE reads as it reads a store."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the file that is written, such as docs/records/demo.parquet")
    parser.add_argument("--add", action="store_true", help="to what the file keeps, if it is there, instead of anew")


def run(given: argparse.Namespace) -> int:
    """Status 0 with a file.

    Raises:
        UserError: the file has another ending or cannot be written, or is there and keeps no records; or nothing was
            chosen.
    """
    path = kept_path(given.file)
    if path is None:
        raise UserError(f"{given.file}: kept records go into a file whose name ends in .parquet.")
    supply = options.supply(given, ["points and trials", "scans"], options.experiments(given))
    options.say_notes(supply.remarks())
    from analysis.publishing import publish
    from analysis.records import keeping
    from analysis.records.kept import KeptStore

    points, scans = (_chosen(supply, material) for material in ("points and trials", "scans"))
    if not points and not scans:
        supply.chosen("points and trials")  # says why
    content, before = keeping.packed(given.tracking_uri, points, scans), ""
    if path.exists():
        former = KeptStore(path).check()
        content = keeping.joined(former, content) if given.add else content
        before = f", {'beside' if given.add else 'in place of'} {_counted(*former.extent())} that it had"
    publish.write(path.parent, {path.name: content})
    print(f"{path}: {_counted(len(points), len(scans))}{before}, {len(content) / 1000:.0f} kB")
    return 0


def _counted(points: int, scans: int) -> str:
    """``12 points, 1 scan``."""
    told = (counted(count, noun) for count, noun in ((points, "point"), (scans, "scan")) if count)
    return ", ".join(told) or "nothing"


def _chosen(supply: Supply, material: Material) -> set[str]:
    """The run ids of what was chosen; none where there is nothing of it."""
    try:
        return set(supply.counted(material)["run_id"])
    except UserError:
        return set()
