"""The command: ``python -m analysis COMMAND``. Finds the command (``analysis.commands``), parses, and has it run.

Exit status: 0 something was listed or made, 1 an audit fails, 2 nothing was made, and why is said, 130 interrupted.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from analysis.commands import audit, compare, keeping, listing, options
from analysis.commands.making import Making
from analysis.commands.reporting import SUMMARY, Reporting
from analysis.publishing.catalogue import publications
from pruneexp.errors import SentenceParser, UserError, guess, redact
from pruneexp.terminal import announce, read_no_further, replace_unwritable


class AnalysisCommand(NamedTuple):
    """One command: a line of help, what adds its own arguments to a parser, and what runs it, for the exit status."""

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


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


def commands(plugins: Path | None) -> dict[str, AnalysisCommand]:
    """Every command by its name, in the order of the help; ``plugins`` is a user's folder of figures and tables.

    Raises:
        UserError: the folder has none, or one that cannot be a command.
    """
    known = publications(plugins)
    made = {"list": AnalysisCommand(listing.SUMMARY, listing.add_arguments, listing.run)}
    for name, publication in known.items():
        making = Making([publication])
        made[name] = AnalysisCommand(publication.summary, making.add_arguments, making.run)
    made["audit"] = AnalysisCommand(audit.SUMMARY, audit.add_arguments, audit.run)
    made["compare"] = AnalysisCommand(compare.SUMMARY, compare.add_arguments, compare.run)
    everything = Making(list(known.values()))
    made["all"] = AnalysisCommand("every figure and table.", everything.add_arguments, everything.run)
    reporting = Reporting(list(known.values()))
    made["keep"] = AnalysisCommand(keeping.SUMMARY, keeping.add_arguments, keeping.run)
    made["report"] = AnalysisCommand(SUMMARY, reporting.add_arguments, reporting.run)
    return made


def _run(words: Sequence[str]) -> int:
    """Options may stand before and after the command: those of every command are taken first, the rest is its own."""
    parser = SentenceParser(
        prog="python -m analysis", usage="%(prog)s COMMAND [options]", parents=[options.common()],
        add_help=False, allow_abbrev=False,
    )  # fmt: skip
    parser.add_argument("command", nargs="?")
    parser.add_argument("-h", "--help", action="store_true")
    found, rest = parser.parse_known_args(_with_values(words))
    known = commands(found.plugins)
    if found.help and found.command is None:
        _overview(known).print_help()
        return 0
    if found.command not in known:
        _overview(known).error(_missing(found.command, list(known)))
    if not found.help:
        announce("analysis", f"reading {redact(found.tracking_uri)}")
    command = known[found.command]
    own = SentenceParser(
        prog=f"python -m analysis {found.command}",
        description=command.summary,
        parents=[options.common()],
        allow_abbrev=False,
    )
    command.add_arguments(own)
    return command.run(own.parse_args([*rest, *["--help"] * found.help], found))


def _with_values(words: Sequence[str]) -> list[str]:
    """Words in which what begins like a negative number, as in ``--ylim -5:1``, belongs to the option before it."""
    made: list[str] = []
    for word in words:
        if made and re.match(r"-\.?\d", word) and made[-1].startswith("--"):
            made[-1] += f"={word}"
        else:
            made.append(word)
    return made


def _overview(known: Mapping[str, AnalysisCommand]) -> argparse.ArgumentParser:
    """The parser of a command line without a command: its help, and its complaints."""
    names = "\n".join(f"  {name:<18}{command.summary}" for name, command in known.items())
    return SentenceParser(
        prog="python -m analysis",
        usage="%(prog)s COMMAND [options]",
        description="Make figures, tables and comparisons of logged runs.",
        epilog=f"commands:\n{names}\n\nCOMMAND --help tells the options of one command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[options.common()],
        allow_abbrev=False,
    )


def _missing(command: str | None, known: Sequence[str]) -> str:
    names = ", ".join(known)
    if command is None:
        return f"say what to make: {names}"
    return f"there is no command {command!r}{guess(command, known)}; there are {names}"


if __name__ == "__main__":
    sys.exit(main())
