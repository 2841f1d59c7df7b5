"""The command ``python -m pruneexp.retraining POINT...``: what retraining did to recorded points.

Exit status: 0 done; 2 the request is at fault; 130 interrupted, 143 told to leave by SIGTERM.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pruneexp.errors import UserError
from pruneexp.export.commands import add_places, exit_status, opened, records_of
from pruneexp.export.lookup import RecordedPoint, find_points
from pruneexp.schema import RETRAINING, RETRAINING_FILE, Retraining

_HEADINGS = (
    "network", "reg", "criterion", "mode", "seed", "budget",
    "train loss before", "after", "highest between", "val loss before", "after",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    return exit_status("pruneexp.retraining", lambda: _look(_parser().parse_intermixed_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pruneexp.retraining",
        description="The last training of recorded points, done again: its loss along the line from before to after, "
        "and histograms of kept weights. `python -m analysis loss_line` and `weight_epochs` draw them.",
        epilog="POINT: the id of a run, the beginning of a key, or conditions that points meet: model=lenet5 seed=0",
    )
    parser.add_argument("point", nargs="+", metavar="POINT", help="a run, a key, or conditions that points meet")
    parser.add_argument("--epochs", default="1,3", metavar="LIST",
                        help="of the histograms, beside 0 and the last; default: 1,3")  # fmt: skip
    add_places(parser)
    return parser


def _look(asked: argparse.Namespace) -> int:
    epochs = _epochs(asked.epochs)
    found = find_points(asked.point, records_of(asked), asked.experiment)
    from pruneexp.experiment.display import Display

    rows = [_cells(point, _of_point(point, epochs, asked)) for point in found]
    Display(bars=False).sheet(_HEADINGS, rows)
    return 0


def _epochs(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise UserError(f"--epochs {text}: give whole numbers with commas between them, such as 1,3,10")
    return tuple(map(int, parts))


def _of_point(point: RecordedPoint, epochs: Sequence[int], asked: argparse.Namespace) -> Retraining:
    """What was found of a point, which is put on its run."""
    from pruneexp.retraining.course import layers, states
    from pruneexp.retraining.line import MOST, has_batchnorm, losses

    of = point.identity
    with opened(point, asked) as pruned:
        session = pruned.session
        stage, learner = session.job.route(of.budget, session.job.budgets).final, session.job.setting.learner
        try:
            if stage.key != of.final_key:
                raise UserError("its configuration makes another network here, by other code or versions")
            with session.display.running(1, "network"):
                found = states(session.runner, stage, epochs)
        except UserError as error:
            raise UserError(f"the point {of.point_key[:8]}: {error}") from error
        before, after, recorded = found[0], found[max(found)], pruned.state
        if any(not tensor.equal(recorded[name]) for name, tensor in after.items()):
            session.display.note(f"the point {of.point_key[:8]}: its weights are not to the bit those of the record")
        made = Retraining(
            examples=min(MOST, len(learner.data.value.train)),
            batchnorm=has_batchnorm(pruned.network),
            line=losses(learner, before, after, of.seed),
            layers=layers(pruned.network, pruned.masks.to_tensors(), found),
        )
    files, tags = {RETRAINING_FILE: made.text().encode()}, {RETRAINING: "true"}
    point.tracker.update(point.run.run_id, None, files=files, tags=tags)
    return made


def _cells(point: RecordedPoint, made: Retraining) -> tuple[str, ...]:
    of, inner = point.identity, [place for place in made.line if 0.0 <= place.t <= 1.0]
    losses = (inner[0].train, inner[-1].train, max(place.train for place in inner), inner[0].val, inner[-1].val)
    named = (of.model, of.reg, of.criterion, of.mode, str(of.seed), of.budget.text)
    return (*named, *(f"{loss:.4g}" for loss in losses))


if __name__ == "__main__":
    sys.exit(main())
