"""The command: ``python -m analysis list | FIGURE | TABLE | all``. Parses, reads what is logged, has it published.

Exit status: 0 something was listed or made, 2 nothing was, and why is said, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.publishing.catalogue import Publication, add_options, chosen, publications
from analysis.records import COPIES, DEFAULT_URI
from pruneexp.errors import UserError, redact
from pruneexp.terminal import page_width, read_no_further, replace_unwritable

if TYPE_CHECKING:
    import pandas as pd

    from analysis.publishing.materials import Supply

EXPERIMENT = "pruneexp"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    replace_unwritable()
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except UserError as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return read_no_further()
    except KeyboardInterrupt:
        print("analysis: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130


def _run(words: Sequence[str]) -> int:
    plugins = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    plugins.add_argument("--plugins", type=Path)
    known = publications(plugins.parse_known_args(words)[0].plugins)
    early, _ = _parser(known, add_help=False).parse_known_args(words)
    selected = [known[early.command]] if early.command in known else list(known.values())
    parser = _parser(known, add_help=True)
    if early.command not in (None, "list"):
        add_options(parser.add_argument_group(f"options of {early.command}"), [one.module() for one in selected])
    given = parser.parse_args(words)
    if given.command is None:
        parser.error(f"say what to make: list, {', '.join(known)} or all")
    supply = _supply(selected, given)
    return _list(supply, selected) if given.command == "list" else _publish(supply, selected, given)


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
                        help="only such points or scans, for example criterion=layer_std; may be repeated, also for "
                             "one column, which then has one of the values")  # fmt: skip
    parser.add_argument("--no-copy", action="store_true",
                        help=f"read all from the store, and let the local copy in {COPIES} be")  # fmt: skip
    parser.add_argument("--plugins", type=Path, metavar="FOLDER",
                        help="figures and tables of your own, in its figures/ and tables/")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("reports"), metavar="FOLDER",
                        help="where the files go (default: %(default)s)")  # fmt: skip
    return parser


def _supply(selected: Sequence[Publication], given: argparse.Namespace) -> Supply:
    from analysis.publishing import materials

    conditions: dict[str, list[str]] = {}
    for column, value in map(_condition, given.where):
        conditions.setdefault(column, []).append(value)
    experiments = given.experiment or (None if given.command == "list" else [EXPERIMENT])
    wanted = list(materials.SOURCES) if given.command == "list" else [one.made_of() for one in selected]
    logged, notes = materials.read(given.tracking_uri, experiments, wanted, None if given.no_copy else COPIES)
    for sentence in notes:
        print(f"note: {redact(sentence)}", file=sys.stderr)
    place = f"experiment {', '.join(experiments)}" if experiments else "the store"
    return materials.Supply(logged, conditions, given.tracking_uri, place)


def _condition(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--where takes COLUMN=VALUE, for example criterion=layer_std; got {text!r}.")
    return column, value


def _list(supply: Supply, known: Sequence[Publication]) -> int:
    from analysis.publishing import inventory

    print(*inventory.logged(supply), "can be made:", *inventory.possible(supply, known), sep="\n")
    return 0


def _publish(supply: Supply, selected: Sequence[Publication], given: argparse.Namespace) -> int:
    from analysis.publishing import publish, upkeep

    def make(publication: Publication, name: str, rows: pd.DataFrame) -> None:
        options = chosen(publication.module(), given)
        paths = upkeep.kept(given.out, name, upkeep.inputs(name, options, rows, publication.own_code()))
        paths = paths or publish.write(given.out, publish.files(publication, name, rows, options))
        if publication.kind == "table":
            print(publish.text(paths, page_width(), styled=sys.stdout.isatty()))
        print(*paths, sep="\n")

    for sentence in supply.remarks():
        print(f"note: {sentence}", file=sys.stderr)
    made, lacking = publish.each(selected, supply, make)
    for reason, names in lacking.items():
        print(f"{', '.join(names)}: {reason}", file=sys.stderr)
    return 0 if made else 2


if __name__ == "__main__":
    sys.exit(main())
