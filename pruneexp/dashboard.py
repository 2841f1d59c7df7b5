"""The command ``python -m pruneexp.dashboard``: views of what is recorded, in MLflow's own user interface.

Summaries over seeds are made anew, views are provisioned, and their addresses are printed. Exit status: 0 done,
2 the request or the tracking store is at fault, 130 interrupted. Neither torch nor Hydra is needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pruneexp.errors import SentenceParser, UserError
from pruneexp.terminal import announce, read_no_further, replace_unwritable
from pruneexp.tracking import default_uri, existing, opener


def main(arguments: Sequence[str] | None = None) -> int:
    """Provision the views of the experiments asked for, print their addresses, and return the exit status."""
    replace_unwritable()
    try:
        options = _parser().parse_args(arguments)
        announce("pruneexp.dashboard", "loading MLflow")
        _provision(options.tracking_uri or default_uri(Path.cwd()), options.experiment or [], options.port)
    except UserError as error:
        print(f"pruneexp.dashboard: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return read_no_further()
    except KeyboardInterrupt:
        print("pruneexp.dashboard: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130
    return 0


def _provision(uri: str, names: Sequence[str], port: int | None) -> None:
    for tracker in existing(uri, names):
        name = tracker.experiment
        with Console(stderr=True).status(name) as status:  # on a terminal only, and gone when it is done
            count = tracker.describe_all(lambda step: status.update(f"{name}: {step}"))  # noqa: B023 (called at once)
        print(f"{name}: {count} summaries over seeds")
        for link in tracker.board(port).provision():
            print(f"  {link.title}\n    {link.address}")
    command = opener(uri, port)
    if command is not None:
        print(f"The addresses are those of: {command}")


def _parser() -> argparse.ArgumentParser:
    parser = SentenceParser(prog="python -m pruneexp.dashboard", description=__doc__.partition("\n")[0])
    parser.add_argument("--tracking-uri", metavar="URI", help="default: mlflow.db in the working folder")
    parser.add_argument(
        "--experiment", metavar="NAME", nargs="+", help="default: every experiment with runs of pruneexp"
    )
    parser.add_argument(
        "--port", metavar="N", type=int, help="where mlflow ui is to listen (default: MLFLOW_PORT, or 5000)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
