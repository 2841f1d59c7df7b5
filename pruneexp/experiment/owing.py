"""The last word of a command: which records are still owed to their tracking store.

Told by the marks in the working folder, because jobs may have run in other processes. Loads neither torch nor MLflow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pruneexp.places import OWED, STORE
from pruneexp.tracking import Place, counted, marked


@dataclass
class Debt:
    """``status`` is 1 where records of this command are owed, else 0."""

    status: int = 0


@contextmanager
def told_what_is_owed(program: str) -> Iterator[Debt]:
    """Say at the end, however it comes, what jobs started in the working folder have left owed."""
    marks, debt = Path.cwd() / OWED, Debt()
    before = marked(marks)
    try:
        yield debt
    finally:
        for folder, moment in marked(marks).items():
            place = Place.at(folder)
            records = 0 if place is None else place.records()
            if place is None or not records:
                (marks / folder.name).unlink(missing_ok=True)
                continue
            debt.status |= int(before.get(folder) != moment)
            root = folder.parents[1]
            named = "" if root == Path.cwd() / STORE else f" --store {root}"
            print(
                f"{program}: {counted(records)} wait{'s' if records == 1 else ''} for {place.uri}, "
                f"experiment {place.experiment}: written by the next command on it, or by "
                f"python -m pruneexp.store deliver{named}",
                file=sys.stderr,
            )
