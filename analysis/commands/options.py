"""What every command can be told: where to read, what to choose of it, where to write; and the reading as told.

Knows no command.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.publishing.catalogue import Material
from analysis.records import COPIES, DEFAULT_URI
from analysis.records.uris import kept_path
from pruneexp.errors import UserError

if TYPE_CHECKING:
    from analysis.publishing.materials import Supply

EXPERIMENT = "pruneexp"
#: The comma between two conditions. Where no ``COLUMN=`` follows, it belongs to a value: ``prunable=conv,linear``.
_NEXT = re.compile(r",(?=[\w.]+=)")


def common() -> argparse.ArgumentParser:
    """A parser of the options of every command, to be a parent of others."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("options of every command")
    group.add_argument(
        "--tracking-uri",
        default=DEFAULT_URI,
        metavar="URI",
        help="the MLflow store, or a file of kept records (default: %(default)s)",
    )
    group.add_argument(
        "--experiment", action="append", metavar="NAME",
        help=f"read this experiment; may be repeated (default: {EXPERIMENT}; all for list, and of kept records)",
    )  # fmt: skip
    group.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE[,...]",
                       help="only such points or scans, for example reg=l2,schedule=one_shot; may be repeated, also "
                            "for one column, which then has one of the values")  # fmt: skip
    group.add_argument("--plugins", type=Path, metavar="FOLDER",
                       help="figures and tables of your own, in its figures/ and tables/")  # fmt: skip
    group.add_argument("--out", type=Path, default=Path("reports"), metavar="FOLDER",
                       help="where the files go (default: %(default)s)")  # fmt: skip
    return parser


def experiments(given: argparse.Namespace) -> Sequence[str] | None:
    """The experiments to read, the usual one if none is said; ``None``, which is all, of kept records."""
    return given.experiment or (None if kept_path(given.tracking_uri) else [EXPERIMENT])


def parts(text: str) -> list[str]:
    """The conditions in a text, each by itself."""
    return _NEXT.split(text)


def conditions(texts: Iterable[str]) -> dict[str, list[str]]:
    """The values that each column may have, of ``COLUMN=VALUE,COLUMN=VALUE`` given any number of times.

    Raises:
        UserError: a part is no such condition.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        for part in parts(text):
            column, equals, value = part.partition("=")
            if not equals:
                raise UserError(f"--where takes COLUMN=VALUE, for example criterion=layer_std; got {part!r}.")
            found.setdefault(column, []).append(value)
    return found


def supply(given: argparse.Namespace, wanted: Iterable[Material], experiments: Sequence[str] | None) -> Supply:
    """What is logged in these experiments (``None``: in all) and meets the conditions; says what is left out.

    Raises:
        UserError: the store cannot be read, has no experiment of that name, or a condition is none.
    """
    chosen = conditions(given.where)
    from analysis.publishing import materials

    logged, notes = materials.read(given.tracking_uri, experiments, wanted, COPIES)
    say_notes(notes)
    place = f"experiment {', '.join(experiments)}" if experiments else "the store"
    return materials.Supply(logged, chosen, given.tracking_uri, place, notes)


def say_notes(sentences: Iterable[str]) -> None:
    """What a reader must know beside the result, on standard error."""
    for sentence in sentences:
        print(f"note: {sentence}", file=sys.stderr)
