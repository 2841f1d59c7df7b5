"""One view of a sweep that stays up to date while its jobs run in other processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.progress import progress
from pruneexp.jobs.tables import detail

#: Seconds between two looks at the folder.
EVERY = 1.0

#: Seconds for which nothing may run although jobs wait: between two jobs of a process, or in a short queue.
IDLE = 30.0


def watch(folder: SweepFolder, console: Console, over: threading.Event | None = None) -> None:
    """Show the sweep until it is ``over``; where nobody says so, until nothing runs any more."""
    ran, jobs = time.monotonic(), folder.jobs()
    with Live(console=console, auto_refresh=False, transient=over is not None) as live:
        while over is None or not over.is_set():
            found = progress(folder, jobs)
            live.update(detail(found, time.time()), refresh=True)
            if found.numbers("running"):
                ran = time.monotonic()
            elif over is None and (not found.numbers("waiting") or time.monotonic() - ran >= IDLE):
                return
            time.sleep(EVERY)


@contextmanager
def watched(folder: SweepFolder, *, wanted: bool) -> Iterator[bool]:
    """Show the sweep on standard error while the block runs; whether it is shown: in a terminal only."""
    console = Console(stderr=True, highlight=False)
    if not wanted or not console.is_terminal:
        yield False
        return
    over = threading.Event()
    thread = threading.Thread(target=watch, args=(folder, console, over), daemon=True)
    thread.start()
    try:
        yield True
    finally:
        over.set()
        thread.join()
