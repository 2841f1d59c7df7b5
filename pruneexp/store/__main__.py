"""``python -m pruneexp.store ls | gc | deliver``.

Exit status: 0 done; 1 something still waits; 2 the request or the machine is at fault; 130 interrupted.
Loads no torch; MLflow only to deliver what waits for it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.filesize import decimal

from pruneexp.cache.files import Paths
from pruneexp.cache.inventory import Entry, entries, remove, unused
from pruneexp.errors import SentenceParser, UserError
from pruneexp.places import OWED, STORE
from pruneexp.signals import INTERRUPTED
from pruneexp.store import delivering
from pruneexp.terminal import read_no_further, replace_unwritable
from pruneexp.tracking import marked

#: Seconds of a minute, an hour and a day.
UNITS = {"m": 60, "h": 3600, "d": 86400}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    replace_unwritable()
    try:
        return _done(_parser().parse_args(arguments))
    except KeyboardInterrupt:
        print("pruneexp.store: interrupted; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return read_no_further()
    except (UserError, OSError) as error:
        print(f"pruneexp.store: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = SentenceParser(prog="python -m pruneexp.store", description=__doc__.splitlines()[0].strip("`."))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    place = SentenceParser(add_help=False)
    place.add_argument("--store", type=Path, default=STORE, metavar="FOLDER", help="runtime.store")
    commands.add_parser("ls", parents=[place], help="count and size of each kind of result")
    gc = commands.add_parser("gc", parents=[place], help="what nobody has used for long; removed with --delete alone")
    gc.add_argument("--delete", action="store_true", help="remove it; without this it is only shown")
    gc.add_argument("--unused-for", type=_age, default="30d", metavar="AGE", help="days, hours, minutes (%(default)s)")
    deliver = commands.add_parser("deliver", help="write records that are owed into their store")
    deliver.add_argument("--store", type=Path, metavar="FOLDER", help="runtime.store; by default all that owe any")
    deliver.add_argument(
        "--tracking-uri", action="append", default=[], metavar="URI", help="of a store of records; may be repeated"
    )
    return parser


def _age(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([dhm])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is no number of days, hours or minutes such as 30d, 12h or 90m")
    return float(found[1]) * UNITS[found[2]]


def _done(asked: argparse.Namespace) -> int:
    if asked.command == "deliver":
        return delivering.deliver(_owing(asked.store), asked.tracking_uri)
    paths = Paths(asked.store.expanduser().absolute())
    if not paths.root.is_dir():
        raise UserError(f"There is no result store in {paths.root}: name its folder with --store.")
    print(f"store {paths.root}")
    if asked.command == "ls":
        _table(entries(paths))
    else:
        _tidy(paths, asked.unused_for, delete=asked.delete)
    return 0


def _owing(store: Path | None) -> list[Path]:
    """The result store named, else that of the working folder and those that its commands left owing something."""
    found = [STORE, *(place.parents[1] for place in marked(OWED))] if store is None else [store]
    return list(dict.fromkeys(root.expanduser().absolute() for root in found))


def _tidy(paths: Paths, age: float, *, delete: bool) -> None:
    """Show what was not used for ``age`` seconds, and remove it where ``delete`` says so."""
    found = entries(paths)
    going = unused(found, age)
    if delete:
        going = remove(paths, going)
    gone = set(going)
    print("kept:")
    _table(entry for entry in found if entry not in gone)
    print("removed:" if delete else "may go:")
    _table(going)
    if going and not delete:
        size = decimal(sum(entry.size for entry in going))
        print(f"nothing was removed; the same command with --delete frees {size}")


def _table(found: Iterable[Entry]) -> None:
    """Print count and size of each kind, and of all."""
    sizes: dict[str, list[int]] = defaultdict(list)
    for entry in found:
        sizes[entry.kind].append(entry.size)
    everything = [size for kind in sizes.values() for size in kind]
    for kind, group in [*sorted(sizes.items()), ("all", everything)]:
        print(f"  {kind:<12} {len(group):>7}  {decimal(sum(group)):>10}")


if __name__ == "__main__":
    sys.exit(main())
