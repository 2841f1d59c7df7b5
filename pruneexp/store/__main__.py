"""``python -m pruneexp.store ls | verify | gc | deliver``.

Exit status: 0 done; 1 something is damaged, or still waits; 2 the request or the machine is at fault; 130 interrupted.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from pruneexp.errors import UserError
from pruneexp.interrupts import STATUS
from pruneexp.places import OWED, STORE
from pruneexp.store import delivering, listing, tidying
from pruneexp.terminal import read_no_further, replace_unwritable
from pruneexp.tracking import marked

#: Seconds of a minute, an hour and a day.
UNITS = {"m": 60, "h": 3600, "d": 86400}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    replace_unwritable()
    asked = _parser().parse_args(arguments)
    try:
        if asked.command == "deliver":
            return delivering.deliver(_owing(asked.store), asked.tracking_uri)
        root = asked.store.expanduser().absolute()
        if not root.is_dir():
            raise UserError(f"There is no result store in {root}: name its folder with --store.")
        if asked.command == "ls":
            return listing.show(root)
        if asked.command == "verify":
            return listing.verify(root)
        return tidying.tidy(root, asked.unused_for, delete=asked.delete)
    except KeyboardInterrupt:
        print("pruneexp.store: interrupted; the same command goes on", file=sys.stderr)
        return STATUS
    except UserError as error:
        print(f"pruneexp.store: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return read_no_further()
    except OSError as error:
        print(f"pruneexp.store: {error.filename or 'the disk'}: {error.strerror or error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pruneexp.store", description=__doc__.splitlines()[0].strip("`."))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--store", type=Path, default=STORE, metavar="FOLDER", help="runtime.store")
    commands.add_parser("ls", parents=[place], help="count and size of each kind of result")
    commands.add_parser("verify", parents=[place], help="read every file, and name those that are damaged")
    gc = commands.add_parser("gc", parents=[place], help="what nobody has used for long; removed with --delete alone")
    gc.add_argument("--delete", action="store_true", help="remove it; without this it is only shown")
    gc.add_argument("--unused-for", type=_age, default="30d", metavar="AGE", help="days, hours, minutes (%(default)s)")
    gc.add_argument("--grace", "--forget", "--tracking-uri", type=_removed, help=argparse.SUPPRESS)
    deliver = commands.add_parser("deliver", help="write records that are owed into their store")
    deliver.add_argument("--store", type=Path, metavar="FOLDER", help="runtime.store; by default all that owe any")
    deliver.add_argument(
        "--tracking-uri", action="append", default=[], metavar="URI", help="of a store of records; may be repeated"
    )
    return parser


def _owing(store: Path | None) -> list[Path]:
    """The result store named, else that of the working folder and those that its commands left owing something."""
    found = [STORE, *(place.parents[1] for place in marked(OWED))] if store is None else [store]
    return list(dict.fromkeys(root.expanduser().absolute() for root in found))


def _age(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([dhm])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is no number of days, hours or minutes such as 30d, 12h or 90m")
    return float(found[1]) * UNITS[found[2]]


def _removed(text: str) -> None:
    raise argparse.ArgumentTypeError(
        "gc asks no records any more; say for how long nobody has used it, --unused-for 30d"
    )


if __name__ == "__main__":
    sys.exit(main())
