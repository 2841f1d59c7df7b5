"""What all commands show alike: characters, durations, plain tables, a log's width, their end; not what is shown."""

from __future__ import annotations

import io
import math
import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

#: Columns of a log file: enough for the table of points.
LOG_WIDTH = 160
#: Columns of a bar at most: the numbers at its ends belong together.
BAR_WIDTH = 100
#: Columns of text that a person reads: in a log, and at most.
_LOG_PAGE, _WIDEST_PAGE = 100, 120
#: Columns that no table needs.
_UNLIMITED = 1_000_000


def duration(seconds: float) -> str:
    """``85 s``, ``12 min``, ``1.5 h``, or ``? s`` for what is not a number; never less than nothing.

    Clocks of two machines may differ.
    """
    if math.isnan(seconds):
        return "? s"
    seconds = max(0.0, seconds)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def page_width() -> int:
    """Columns for text that a person reads: those of the terminal, of which more than 120 are too many for a line."""
    return min(_WIDEST_PAGE, shutil.get_terminal_size((_LOG_PAGE, 24)).columns)


def print_table(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], justify: Literal["left", "right"] = "right"
) -> None:
    """Print a plain table; no cell of it is cut or folded, however narrow the terminal or the log is."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, justify=justify, no_wrap=True)
    for cells in rows:
        table.add_row(*map(escape, cells))
    needed = console.measure(table, options=console.options.update_width(_UNLIMITED)).maximum
    console.width = max(console.width, needed)  # rich would replace the ends of numbers by an ellipsis
    console.print(table)


def announce(program: str, what: str) -> None:
    """Tell a person at a terminal, who waits, what takes the next seconds; a log or a pipe is told nothing."""
    if sys.stderr.isatty():
        print(f"{program}: {what}", file=sys.stderr, flush=True)


def replace_unwritable() -> None:
    """Write ``?`` for each character that the encoding of standard output or standard error lacks.

    A job whose name of a layer or of a folder has an accent must not fail because a terminal or a log is in ASCII.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def read_no_further() -> int:
    """The exit status where the reader of a pipe, such as ``head``, has closed it: nothing is wrong."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more when it ends
    return 0
