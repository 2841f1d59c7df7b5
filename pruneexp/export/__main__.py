"""The command ``python -m pruneexp.export POINT --to FOLDER``: the network of one recorded point, as files.

Exit status: 0 done; 1 a graph could not be written, the other files are there; 2 the request or the machine is at
fault; 130 interrupted, 143 told to leave by SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pruneexp.errors import UserError
from pruneexp.export.lookup import RecordedPoint, find_point
from pruneexp.places import STORE
from pruneexp.signals import INTERRUPTED, Stopped, StopRequest, handling_interrupts, handling_stop_signals
from pruneexp.terminal import read_no_further, replace_unwritable
from pruneexp.tracking import default_uri

if TYPE_CHECKING:
    from pruneexp.export.network import PrunedNetwork
    from pruneexp.export.writing import Written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    replace_unwritable()
    try:
        with handling_interrupts():
            return _export(_parser().parse_intermixed_args(arguments))
    except Stopped as stopped:
        print(f"pruneexp.export: told to leave by {stopped}; the same command goes on here", file=sys.stderr)
        return 128 + stopped.signal
    except KeyboardInterrupt:
        print("pruneexp.export: interrupted; nothing is in the folder, the same command goes on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return read_no_further()
    except (UserError, OSError) as error:
        print(f"pruneexp.export: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pruneexp.export",
        description="The network of one recorded point, as files.",
        epilog="POINT: the id of its run, the beginning of its key, or conditions: model=lenet5 density=0.1 seed=0",
    )
    parser.add_argument("point", nargs="+", metavar="POINT", help="a run, a key, or conditions that one point meets")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="new, or an export of the same point")
    parser.add_argument(
        "--removed", action="store_true", help="without the channels that no kept weight reads, smaller"
    )
    parser.add_argument("--pt", action="store_true", help="the state dict as a file of torch.save, too")
    parser.add_argument("--onnx", action="store_true", help="the graph as ONNX, held against the network on val")
    parser.add_argument("--torch-export", action="store_true", help="the graph as a program of torch.export")
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
    return parser


def _export(asked: argparse.Namespace) -> int:
    formats = [name for name in ("pt", "onnx", "torch-export") if getattr(asked, name.replace("-", "_"))]
    if asked.store is not None and not asked.store.expanduser().is_dir():
        raise UserError(f"There is no result store in {asked.store}: name its folder with --store.")
    target = asked.to.expanduser().absolute()
    point = find_point(asked.point, asked.tracking_uri or default_uri(Path.cwd()), asked.experiment)
    from pruneexp.export.folder import check_target, filled  # torch is loaded here

    check_target(target, point.identity.point_key)
    if "onnx" in formats:
        from pruneexp.export.formats import check_installed

        check_installed()
    from pruneexp.export.writing import write

    pruned = _network(point, asked)
    if asked.removed:
        from pruneexp.export.smaller import without_channels

        pruned = without_channels(pruned)
    with filled(target, point.identity.point_key) as draft:
        done = write(draft, point, pruned, formats)
    _tell(point, pruned, done, asked.to)
    return 1 if done.failures else 0


def _network(point: RecordedPoint, asked: argparse.Namespace) -> PrunedNetwork:
    from pruneexp.experiment.recorded import Surroundings, open_recorded
    from pruneexp.export.network import pruned_network

    around = Surroundings(asked.store or STORE, asked.config_dir, asked.allow, asked.set)
    stop = StopRequest()
    with handling_stop_signals(stop):
        session = open_recorded(point.configuration(), point.identity, around, stop)
        return pruned_network(session, point.identity, point.result)


def _tell(point: RecordedPoint, pruned: PrunedNetwork, done: Written, target: Path) -> None:
    from pruneexp.experiment.display import curve_text
    from pruneexp.export.folder import OURS
    from pruneexp.export.writing import lines_of

    of, masks = point.identity, pruned.masks
    print(f"{curve_text(of)} · {of.budget.text}")
    print(f"  weights: {masks.kept:,} of {masks.total:,} kept")
    if pruned.smaller is not None:
        print(f"  removed: {pruned.smaller.text}")
    print(f"  scores: {', '.join(f'{name} {value:.6g}' for name, value in pruned.scores.items())}")
    for name, held in done.agreements.items():
        print(f"  {name}: {held.text}")
    print(f"  files: {', '.join(name for name in OURS if (target / name).exists())} in {target}")
    print("\n".join(["", *lines_of(pruned, lambda name: repr(str(target / name)))]), flush=True)
    for sentence in (*pruned.differences, *done.failures):
        print(f"pruneexp.export: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
