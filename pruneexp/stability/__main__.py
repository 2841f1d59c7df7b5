"""The command ``python -m pruneexp.stability POINT...``: what pruning changes of recorded points beside their score.

Exit status: 0 done; 2 the request is at fault; 130 interrupted, 143 told to leave by SIGTERM.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pruneexp.errors import SentenceParser
from pruneexp.export.commands import add_places, exit_status, opened, records_of
from pruneexp.export.lookup import RecordedPoint, find_points
from pruneexp.schema import WEIGHTS_FILE, LayerWeights, group_of, weights_text

if TYPE_CHECKING:
    from pruneexp.pruning.masks import MaskSet
    from pruneexp.stability.comparing import AnswerChanges, MaskOverlap

_HEADINGS = (
    "network", "criterion", "schedule", "mode", "seed", "budget", "same answer", "right lost", "right won",
    "worst class", "its change", "masks shared", "by chance",
)  # fmt: skip


class StabilityRow(NamedTuple):
    """One point: percent of examples and of kept weights, changes of classes in points."""

    point: str
    model: str
    data: str
    criterion: str
    schedule: str
    mode: str
    seed: int
    budget: str
    agreement: float
    lost: float
    won: float
    worst_class: int
    worst_change: float
    mask_overlap: float | None
    mask_overlap_by_chance: float | None
    class_changes: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    return exit_status("pruneexp.stability", lambda: _compare(_parser().parse_intermixed_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = SentenceParser(
        prog="python -m pruneexp.stability",
        description="Answers, classes and masks of recorded points, held against their dense networks and other seeds.",
        epilog="POINT: the id of a run, the beginning of a key, or conditions that points meet: model=lenet5 seed=0",
    )
    parser.add_argument("point", nargs="+", metavar="POINT", help="a run, a key, or conditions that points meet")
    parser.add_argument("--split", choices=("val", "test"), default="test", help="default: test")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table there too, with every class")
    add_places(parser)
    return parser


def _compare(asked: argparse.Namespace) -> int:
    found = find_points(asked.point, records_of(asked), asked.experiment)
    alike: dict[str, list[RecordedPoint]] = {}
    for point in sorted(found, key=_place):
        alike.setdefault(group_of(point.identity, with_budget=True), []).append(point)
    rows = [row for seeds in alike.values() for row in _of_seeds(seeds, asked)]
    _tell(rows, asked.csv)
    return 0


def _place(point: RecordedPoint) -> tuple[str, str, str, str, str, float, int]:
    """A key to sort by: curve by curve, the mildest budget first, seed by seed."""
    of = point.identity
    return of.model, of.data, of.criterion, of.schedule, of.mode, -point.result.density, of.seed


def _of_seeds(seeds: Sequence[RecordedPoint], asked: argparse.Namespace) -> Iterator[StabilityRow]:
    """The rows of points that differ in the seed alone; their numbers go on their runs."""
    from pruneexp.stability.comparing import overlap

    compared = [_of_point(point, asked) for point in seeds]
    shared = overlap([masks for _, masks, _ in compared])
    for point, (changed, _, layers) in zip(seeds, compared, strict=True):
        files = {WEIGHTS_FILE: weights_text(layers).encode()}
        point.tracker.update(point.run.run_id, None, _metrics(asked.split, changed, shared), files)
        of = point.identity
        yield StabilityRow(
            of.point_key[:8], of.model, of.data, of.criterion, of.schedule, of.mode, of.seed, of.budget.text,
            changed.agreement, changed.lost, changed.won, changed.worst_class, changed.worst_change,
            None if shared is None else shared.shared, None if shared is None else shared.chance,
            " ".join(f"{change:.4g}" for change in changed.class_changes),
        )  # fmt: skip


def _of_point(
    point: RecordedPoint, asked: argparse.Namespace
) -> tuple[AnswerChanges, MaskSet, tuple[LayerWeights, ...]]:
    from pruneexp.export.network import dense_network
    from pruneexp.pruning.masks import MaskSet
    from pruneexp.stability.comparing import changes, guesses
    from pruneexp.stability.distributions import distributions

    with opened(point, asked) as pruned:
        learner, masks = pruned.session.job.setting.learner, MaskSet(pruned.masks.to_tensors())
        split = getattr(learner.data.value, asked.split)
        dense = dense_network(pruned.session, point.identity)
        layers = distributions(dense, pruned.network, masks)
        changed = changes(guesses(learner, dense, split), guesses(learner, pruned.network, split))
        return changed, masks, layers


def _metrics(split: str, changed: AnswerChanges, shared: MaskOverlap | None) -> dict[str, float]:
    """Numbers for the run of the point, by names that MLflow's pages put below a heading."""
    found = {"agreement": changed.agreement, "lost": changed.lost, "won": changed.won,
             "worst_class_change": changed.worst_change}  # fmt: skip
    numbers = {f"stability/{split}.{name}": value for name, value in found.items()}
    if shared is None:
        return numbers
    return {**numbers, "stability/mask_overlap": shared.shared, "stability/mask_overlap_by_chance": shared.chance}


def _tell(rows: Sequence[StabilityRow], file: Path | None) -> None:
    from pruneexp.experiment.display import Display

    display = Display(bars=False)
    display.sheet(_HEADINGS, [_cells(row) for row in rows])
    if file is not None:
        with file.expanduser().open("w", newline="", encoding="utf-8") as out:
            table = csv.writer(out)
            table.writerow(StabilityRow._fields)
            table.writerows(rows)


def _cells(row: StabilityRow) -> tuple[str, ...]:
    answers = (f"{share:.2f} %" for share in (row.agreement, row.lost, row.won))
    masks = ("" if share is None else f"{share:.1f} %" for share in (row.mask_overlap, row.mask_overlap_by_chance))
    made = (row.model, row.criterion, row.schedule, row.mode, str(row.seed), row.budget)
    return (*made, *answers, str(row.worst_class), f"{row.worst_change:+.1f}", *masks)


if __name__ == "__main__":
    sys.exit(main())
