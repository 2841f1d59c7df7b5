"""The command ``python -m pruneexp.measure POINT...``: seconds of recorded points in every form that can run here.

Exit status: 0 done; 2 the request or the machine is at fault; 130 interrupted, 143 told to leave by SIGTERM.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from pruneexp import schema
from pruneexp.errors import SentenceParser, UserError
from pruneexp.export.commands import add_places, exit_status, opened, records_of
from pruneexp.export.lookup import RecordedPoint, find_points
from pruneexp.tracking.markdown import TAG

if TYPE_CHECKING:
    from pruneexp.measure.gained import FormRow
    from pruneexp.measure.measuring import FormTimes, MeasureRequest


#: The tag of a run has room for the numbers of so many.
_BATCHES = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status."""
    asked = _parser()
    return exit_status("pruneexp.measure", lambda: _measure(asked.parse_intermixed_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = SentenceParser(
        prog="python -m pruneexp.measure",
        description="Latency, memory and training step of recorded points, in every form that can run on this machine.",
        epilog="POINT: the id of a run, the beginning of a key, or conditions that points meet: model=lenet5 seed=0",
    )
    parser.add_argument("point", nargs="+", metavar="POINT", help="a run, a key, or conditions that points meet")
    parser.add_argument("--form", action="append", default=[], metavar="FORM", help="repeatable; default: all")
    parser.add_argument(
        "--batch", action="append", type=int, default=[], metavar="N", help="repeatable; default: 1 and 64"
    )
    parser.add_argument("--seconds", type=float, default=1.0, metavar="S", help="for each form and batch; default: 1")
    parser.add_argument("--no-step", action="store_true", help="leave the step of a training out")
    parser.add_argument("--again", action="store_true", help="measure anew what was measured on this machine")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table there too")
    add_places(parser)
    return parser


def _measure(asked: argparse.Namespace) -> int:
    uri = records_of(asked)
    if unfit := [batch for batch in asked.batch if batch < 1]:
        raise UserError(f"--batch {unfit[0]}: a batch holds 1 input or more")
    if len(asked.batch) > _BATCHES:
        raise UserError(f"--batch is given {len(asked.batch)} times: {_BATCHES} at most")
    if not asked.seconds > 0:
        raise UserError(f"--seconds {asked.seconds:g}: give more than 0")
    points = find_points(asked.point, uri, asked.experiment)
    from pruneexp.measure.forms import check_forms  # torch is loaded here
    from pruneexp.measure.measuring import MeasureRequest

    check_forms(asked.form)
    request = MeasureRequest(tuple(asked.form), tuple(asked.batch or (1, 64)), asked.seconds, not asked.no_step)
    found = [(point, _measured(point, request, asked)) for point in points]
    _tell(found, asked.csv)
    return 0


def _measured(point: RecordedPoint, request: MeasureRequest, asked: argparse.Namespace) -> FormTimes:
    """Measure one point, and put its numbers on its run."""
    from pruneexp.measure import gained
    from pruneexp.measure.measuring import measured

    with opened(point, asked) as pruned:
        found = measured(pruned, point.identity, request, again=asked.again)
    said = {schema.MEASURED: gained.measurement(found).text(), TAG: gained.sentence(point.result, found)}
    point.tracker.update(point.run.run_id, None, gained.metrics(found), tags=said)
    return found


def _tell(found: Sequence[tuple[RecordedPoint, FormTimes]], file: Path | None) -> None:
    from pruneexp.experiment.display import Display, curve_text
    from pruneexp.measure import gained

    display = Display(bars=False)
    every: list[FormRow] = []
    for point, measured in found:
        rows = list(gained.rows(point.identity, point.result, measured))
        every += rows
        display.say(f"{curve_text(point.identity)} · {point.identity.budget.text}")
        display.sheet(gained.HEADINGS, [row.cells for row in rows])
        display.say(f"  {gained.sentence(point.result, measured)}")
        for form, why in measured.left_out.items():
            display.note(f"{form} is left out: {why}")
        if doubt := gained.doubt(measured.others):
            display.note(doubt)
    if file is not None:
        with file.expanduser().open("w", newline="", encoding="utf-8") as out:
            table = csv.DictWriter(out, [column.name for column in fields(gained.FormRow)])
            table.writeheader()
            table.writerows(map(asdict, every))


if __name__ == "__main__":
    sys.exit(main())
