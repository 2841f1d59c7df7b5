"""The command: ``python -m analysis list | FIGURE | TABLE | all``. Parses, reads the points, and has them published."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.catalogue import Publication, add_options, chosen, publications
from analysis.load import DEFAULT_URI
from pruneexp.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

EXPERIMENT = "pruneexp"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 when something was listed or made, 1 with one sentence when not, 2 for a wrong command line."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    known = publications()
    early, _ = _parser(known, add_help=False).parse_known_args(words)
    selected = [known[early.command]] if early.command in known else list(known.values())
    parser = _parser(known, add_help=True)
    if early.command not in (None, "list"):
        add_options(parser.add_argument_group(f"options of {early.command}"), [one.module() for one in selected])
    given = parser.parse_args(words)
    if given.command is None:
        parser.error(f"say what to make: list, {', '.join(known)} or all")
    try:
        frame = _points(given)
        return _list(frame, selected) if given.command == "list" else _publish(frame, selected, given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser(known: dict[str, Publication], *, add_help: bool) -> argparse.ArgumentParser:
    summaries = {"list": "what is logged, and what can be made of it."}
    summaries |= {name: publication.summary for name, publication in known.items()}
    summaries["all"] = "every figure and table."
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="Make figures and tables again from logged runs.",
        epilog="commands:\n" + "\n".join(f"  {name:<18}{text}" for name, text in summaries.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=add_help,
    )
    parser.add_argument("command", nargs="?", choices=tuple(summaries), metavar="COMMAND", help="one of those below")
    parser.add_argument(
        "--tracking-uri", default=DEFAULT_URI, metavar="URI", help="the MLflow store (default: %(default)s)"
    )
    parser.add_argument("--experiment", action="append", metavar="NAME",
                        help=f"read this experiment; may be repeated (default: {EXPERIMENT}; list: all)")  # fmt: skip
    parser.add_argument("--where", action="append", default=[], metavar="COLUMN=VALUE",
                        help="only such points, for example criterion=layer_std; may be repeated")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("reports"), metavar="FOLDER",
                        help="where the files go (default: %(default)s)")  # fmt: skip
    return parser


def _points(given: argparse.Namespace) -> pd.DataFrame:
    from analysis import frames, load

    experiments = given.experiment or (None if given.command == "list" else [EXPERIMENT])
    book = load.load(given.tracking_uri, experiments)
    for sentence in (*book.failed, *book.unreadable, *book.unfinished):
        print(f"note: {sentence}", file=sys.stderr)
    if not book.points:
        place = f"experiment {', '.join(experiments)}" if experiments else "the store"
        raise UserError(f"there is no finished point in {place}: run `python -m pruneexp` first.")
    found = frames.where(frames.frame(book.points), dict(map(_condition, given.where)))
    if given.command == "list":
        return found
    single = frames.latest(found)
    if len(single) < len(found):
        repeated = len(found) - len(single)
        print(f"note: {repeated} of {len(found)} points were logged again later and are left out", file=sys.stderr)
    return single


def _condition(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--where takes COLUMN=VALUE, for example criterion=layer_std; got {text!r}.")
    return column, value


def _list(frame: pd.DataFrame, known: Sequence[Publication]) -> int:
    from analysis import inventory

    print(*inventory.logged(frame), "can be made:", *inventory.possible(frame, known), sep="\n")
    return 0


def _publish(frame: pd.DataFrame, selected: Sequence[Publication], given: argparse.Namespace) -> int:
    from analysis import publish

    made = 0
    for publication in selected:
        options = chosen(publication.module(), given)
        for name, rows in publish.subjects(publication, frame):
            try:
                written = publish.write(given.out, publish.files(publication, name, rows, options))
            except UserError as reason:
                print(f"{name}: {reason}", file=sys.stderr)
                continue
            made += 1
            print(*written, sep="\n")
    return 0 if made else 1


if __name__ == "__main__":
    sys.exit(main())
