"""The command ``python -m pruneexp.export POINT --to FOLDER``: the network of one recorded point, as files.

With ``--pattern FILE`` in place of a folder: what pruning left of the stages of recorded points, for guided designs.

Exit status: 0 done; 1 a graph could not be written, the other files are there; 2 the request or the machine is at
fault; 130 interrupted, 143 told to leave by SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pruneexp.errors import SentenceParser, UserError
from pruneexp.export.commands import add_places, exit_status, opened, records_of
from pruneexp.export.lookup import RecordedPoint, find_point, find_points
from pruneexp.shared_files import write_text

#: Further ones than weights and masks; each is an option.
FORMATS = ("pt", "relative-index", "onnx", "torch-export")

if TYPE_CHECKING:
    from pruneexp.export.network import PrunedNetwork
    from pruneexp.export.writing import Written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    asked = _parser()
    left = "nothing is in the folder, "
    return exit_status("pruneexp.export", lambda: _export(asked.parse_intermixed_args(arguments)), interrupted=left)


def _parser() -> argparse.ArgumentParser:
    parser = SentenceParser(
        prog="python -m pruneexp.export",
        description="The network of one recorded point, as files.",
        epilog="POINT: the id of its run, the beginning of its key, or conditions: model=lenet5 density=0.1 seed=0",
    )
    parser.add_argument(
        "point",
        nargs="+",
        metavar="POINT",
        help="a run, a key, or conditions that one point meets; of a pattern, several",
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", type=Path, metavar="FOLDER", help="new, or an export of the same point")
    target.add_argument(
        "--pattern", type=Path, metavar="FILE", help="what is left of each stage, over seeds, for criterion=guided"
    )
    parser.add_argument("--best", action="store_true", help="of several points, that with the best score on val")
    parser.add_argument(
        "--removed", action="store_true", help="without the channels that no kept weight reads, smaller"
    )
    parser.add_argument("--pt", action="store_true", help="the state dict as a file of torch.save, too")
    parser.add_argument(
        "--relative-index", action="store_true", help="kept weights with gaps of 8 and 5 bits, as in Deep Compression"
    )
    parser.add_argument("--onnx", action="store_true", help="the graph as ONNX, held against the network on val")
    parser.add_argument("--torch-export", action="store_true", help="the graph as a program of torch.export")
    add_places(parser)
    return parser


def _export(asked: argparse.Namespace) -> int:
    if asked.pattern is not None:
        return _write_pattern(asked)
    formats = [name for name in FORMATS if getattr(asked, name.replace("-", "_"))]
    target, uri = asked.to.expanduser().absolute(), records_of(asked)
    point = find_point(asked.point, uri, asked.experiment, best=asked.best)
    from pruneexp.export.folder import check_target, filled  # torch is loaded here

    check_target(target, point.identity.point_key)
    if "onnx" in formats:
        from pruneexp.export.formats import check_installed

        check_installed()
    from pruneexp.export.writing import write

    with opened(point, asked) as found:
        pruned = found
    if asked.removed:
        from pruneexp.export.smaller import without_channels

        pruned = without_channels(pruned)
    with filled(target, point.identity.point_key) as draft:
        done = write(draft, point, pruned, formats)
    _tell(point, pruned, done, asked.to)
    return 1 if done.failures else 0


def _write_pattern(asked: argparse.Namespace) -> int:
    from pruneexp.export.pattern import pattern_of

    if asked.removed or asked.best or any(getattr(asked, name.replace("-", "_")) for name in FORMATS):
        raise UserError("--pattern writes no network: leave the options of --to out")
    points = find_points(asked.point, records_of(asked), asked.experiment)
    made = pattern_of(points)
    write_text(asked.pattern.expanduser(), json.dumps(made, indent=1))
    for budget, found in made["budgets"].items():
        print(f"{made['source']} · {budget} · {len(found['points'])} points")
        for stage in found["stages"]:
            kernels = [f"{size} {fmean(map(fmean, rows)):.3g}" for size, rows in stage["kernels"].items()]
            print(f"  {stage['pixels']:>6} px  channels {stage['channels']:.3g}, weights of {', '.join(kernels)}")
    return 0


def _tell(point: RecordedPoint, pruned: PrunedNetwork, done: Written, target: Path) -> None:
    from pruneexp.experiment.display import curve_text
    from pruneexp.export.folder import OURS, RELATIVE
    from pruneexp.export.writing import lines_of

    of, masks = point.identity, pruned.masks
    print(f"{curve_text(of)} · {of.budget.text}")
    print(f"  weights: {masks.kept:,} of {masks.total:,} kept")
    if pruned.smaller is not None:
        print(f"  removed: {pruned.smaller.text}")
    print(f"  scores: {', '.join(f'{name} {value:.6g}' for name, value in pruned.scores.items())}")
    if done.relative_bytes:
        file, dense = (target / RELATIVE).stat().st_size, sum(each.nbytes for each in pruned.state.values())
        print(f"  relative indices: {done.relative_bytes:,} of {dense:,} bytes, and a header: a file of {file:,}")
    for name, held in done.agreements.items():
        print(f"  {name}: {held.text}")
    print(f"  files: {', '.join(name for name in OURS if (target / name).exists())} in {target}")
    print("\n".join(["", *lines_of(pruned, lambda name: repr(str(target / name)))]), flush=True)
    for sentence in (*pruned.differences, *done.failures):
        print(f"pruneexp.export: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
