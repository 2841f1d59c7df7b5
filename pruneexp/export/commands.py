"""What the commands on recorded points share: the options that say where things lie, their end, a point's network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pruneexp.errors import UserError
from pruneexp.export.lookup import RecordedPoint
from pruneexp.places import STORE
from pruneexp.signals import INTERRUPTED, Stopped, StopRequest, handling_interrupts, handling_stop_signals
from pruneexp.terminal import read_no_further, replace_unwritable
from pruneexp.tracking import default_uri

if TYPE_CHECKING:
    from pruneexp.export.network import PrunedNetwork


def exit_status(program: str, run: Callable[[], int], *, interrupted: str = "") -> int:
    """Run a command to its end; what went wrong becomes a sentence, ``interrupted`` what Ctrl-C leaves."""
    replace_unwritable()
    try:
        with handling_interrupts():
            return run()
    except Stopped as stopped:
        print(f"{program}: told to leave by {stopped}; the same command goes on here", file=sys.stderr)
        return 128 + stopped.signal
    except KeyboardInterrupt:
        print(f"{program}: interrupted; {interrupted}the same command goes on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return read_no_further()
    except (UserError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where records, results, code and data lie."""
    parser.add_argument("--tracking-uri", metavar="URI", help="default: mlflow.db in the working folder")
    parser.add_argument(
        "--experiment", action="append", default=[], metavar="NAME", help="may be repeated; default: all experiments"
    )
    parser.add_argument("--store", type=Path, metavar="FOLDER", help=f"runtime.store; default: {STORE}")
    parser.add_argument("--config-dir", type=Path, metavar="FOLDER", help="the folder with your own code")
    parser.add_argument("--allow", action="append", default=[], metavar="PACKAGE", help="as runtime.allow; repeatable")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="what has moved, such as data.root=FOLDER"
    )


def records_of(asked: argparse.Namespace) -> str:
    """The tracking store that was named, or the usual one.

    Raises:
        UserError: the result store that was named is none.
    """
    if asked.store is not None and not asked.store.expanduser().is_dir():
        raise UserError(f"There is no result store in {asked.store}: name its folder with --store.")
    return asked.tracking_uri or default_uri(Path.cwd())


@contextmanager
def opened(point: RecordedPoint, asked: argparse.Namespace) -> Iterator[PrunedNetwork]:
    """The network of a point, computed again where it is not stored; SIGTERM meanwhile saves what is being trained.

    Raises:
        UserError: it is neither there nor can be computed.
    """
    from pruneexp.experiment.recorded import Surroundings, open_recorded
    from pruneexp.export.network import pruned_network

    around = Surroundings(asked.store or STORE, asked.config_dir, asked.allow, asked.set)
    stop = StopRequest()
    with handling_stop_signals(stop):
        session = open_recorded(point.configuration(), point.identity, around, stop)
        yield pruned_network(session, point.identity, point.result)
