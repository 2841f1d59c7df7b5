"""The command ``python -m pruneexp.status [NAME]``: what the sweeps of this folder have come to.

Exit status: 0 everything is done or under way, 1 some jobs failed or are left and nobody runs them, 2 the request is at
fault, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pruneexp.errors import ReportedError, UserError
from pruneexp.jobs.folder import SweepFolder, sweeps_in
from pruneexp.jobs.summary import summarise
from pruneexp.places import SWEEPS
from pruneexp.status.live import watch
from pruneexp.status.tables import detail, overview
from pruneexp.terminal import LOG_WIDTH, read_no_further, replace_unwritable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    replace_unwritable()
    asked = _parser().parse_args(arguments)
    try:
        return _run(asked)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return read_no_further()
    except (ReportedError, OSError) as error:
        print(f"pruneexp.status: {error}", file=sys.stderr)
        return 2


def _folder(text: str) -> Path:
    return Path(text).expanduser()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pruneexp.status", description="What sweeps have come to.")
    parser.add_argument("name", nargs="?", help="a sweep; without it, all are listed, the newest first")
    parser.add_argument("--sweeps", type=_folder, default=SWEEPS, metavar="FOLDER", help="where they lie")
    parser.add_argument(
        "--retry-failed", action="store_true", help="run what failed again, and whatever else is missing"
    )
    parser.add_argument("--watch", action="store_true", help="stay, and keep it up to date")
    return parser


def _run(asked: argparse.Namespace) -> int:
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    if asked.name is None:
        return _list(asked, console)
    folder = SweepFolder(asked.sweeps, asked.name)
    try:
        found = summarise(folder)
    except UserError as error:
        names = ", ".join(each.name for each in sweeps_in(asked.sweeps)) or "none"
        raise UserError(f"{error}; there are {names}") if not folder.definition.exists() else error from None
    if asked.retry_failed:
        return _retry(folder)
    if asked.watch:
        watch(folder, console)
        found = summarise(folder)
    else:
        console.print(detail(found, time.time()))
    return 1 if found.stuck else 0


def _list(asked: argparse.Namespace, console: Console) -> int:
    if asked.retry_failed or asked.watch:
        raise UserError("name the sweep: python -m pruneexp.status NAME --retry-failed, or --watch")
    found = sweeps_in(asked.sweeps)
    if not found:
        console.print(f"no sweep lies in {asked.sweeps}")
        return 0
    sweeps, unreadable = [], []
    for folder in found:
        try:
            sweeps.append(summarise(folder))
        except UserError as error:
            unreadable.append(error)
    console.print(overview(sweeps, time.time()))
    for reason in unreadable:
        print(f"pruneexp.status: {reason}", file=sys.stderr)
    return 2 if unreadable else 1 if any(sweep.stuck for sweep in sweeps) else 0


def _retry(folder: SweepFolder) -> int:
    """Give the sweep's command again, in the folder where it was given."""
    try:
        told = json.loads(folder.command.read_text(encoding="utf-8"))
        words, where, left_out = [str(word) for word in told["words"]], Path(told["folder"]), int(told["left_out"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder.command} does not say how {folder.name} was started: give its command again"
        ) from error
    again = "hydra.sweeper.retry=true"
    if left_out:
        raise UserError(f"the command of {folder.name} holds a password, which is not kept: give it again with {again}")
    if not where.is_dir():
        raise UserError(f"{folder.name} was started in {where}, which is not here: give its command again with {again}")
    from pruneexp.__main__ import main as run

    os.chdir(where)
    return run([*(word for word in words if not word.startswith("hydra.sweeper.retry=")), again])


if __name__ == "__main__":
    sys.exit(main())
