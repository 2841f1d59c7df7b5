"""The command ``python -m pruneexp.status [NAME]``: what the sweeps of this folder have come to.

Exit status: 0 everything is done or under way, 1 some jobs failed or are left and nobody runs them, 2 the request is at
fault, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pruneexp.errors import ReportedError, SentenceParser, UserError
from pruneexp.jobs.folder import SweepFolder, sweeps_in
from pruneexp.jobs.progress import detail, overview, progress, watch
from pruneexp.places import SWEEPS
from pruneexp.terminal import read_no_further, replace_unwritable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    replace_unwritable()
    console = Console(highlight=False, soft_wrap=True)
    try:
        asked = _parser().parse_args(arguments)
        return _one(asked, console) if asked.name is not None else _all(asked, console)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return read_no_further()
    except (ReportedError, OSError) as error:
        print(f"pruneexp.status: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = SentenceParser(prog="python -m pruneexp.status", description="What sweeps have come to.")
    parser.add_argument("name", nargs="?", help="a sweep; without it, all are listed, the newest first")
    parser.add_argument(
        "--sweeps", type=lambda text: Path(text).expanduser(), default=SWEEPS, metavar="FOLDER", help="where they lie"
    )
    parser.add_argument("--watch", action="store_true", help="stay, and keep it up to date")
    return parser


def _one(asked: argparse.Namespace, console: Console) -> int:
    folder = SweepFolder(asked.sweeps, asked.name)
    found = progress(folder)
    if asked.watch:
        watch(folder, console)
        found = progress(folder)
    else:
        console.print(detail(found, time.time()))
    return 1 if found.stuck else 0


def _all(asked: argparse.Namespace, console: Console) -> int:
    if asked.watch:
        raise UserError("name the sweep: python -m pruneexp.status NAME --watch")
    sweeps, status = [], 0
    for folder in sweeps_in(asked.sweeps):
        try:
            sweeps.append(progress(folder))
        except UserError as error:
            print(f"pruneexp.status: {error}", file=sys.stderr)
            status = 2
    if sweeps or status:
        overview(sweeps, time.time(), console)
    else:
        console.print(f"no sweep lies in {asked.sweeps}")
    return status or int(any(sweep.stuck for sweep in sweeps))


if __name__ == "__main__":
    sys.exit(main())
