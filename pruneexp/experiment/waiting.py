"""The last word of a command: which records still wait for their tracking store.

Told by the folder they wait in, because jobs may have run in other processes. Loads neither torch nor MLflow.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pruneexp.places import SPOOL
from pruneexp.tracking import counted, stamps, waiting


@dataclass
class Left:
    """``status`` is 1 where records of this command wait, as they are not where they were asked for, else 0."""

    status: int = 0


@contextmanager
def told_what_waits(program: str) -> Iterator[Left]:
    """Say at the end, whatever it is, what waits in the working folder's spool."""
    root, left = Path.cwd() / SPOOL, Left()
    before = stamps(root)
    try:
        yield left
    finally:
        left.status = int(bool(stamps(root) - before))
        for found in waiting(root):
            print(
                f"{program}: {counted(found.records)} wait{'s' if found.records == 1 else ''} for {found.uri}, "
                f"experiment {found.experiment}: delivered by the next command on it, or by "
                f"python -m pruneexp.store deliver",
                file=sys.stderr,
            )
