"""One view of a sweep that stays up to date while its jobs run in other processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.summary import summarise
from pruneexp.status.tables import detail

#: Seconds between two looks at the folder.
EVERY = 1.0

#: Seconds for which nothing may run although jobs wait: between two jobs of a process, or in a short queue.
IDLE = 30.0


@contextmanager
def watching(folder: SweepFolder, *, wanted: bool) -> Iterator[bool]:
    """Show the sweep on standard error while the block runs; whether it is shown: in a terminal only."""
    console = Console(stderr=True, highlight=False)
    if not wanted or not console.is_terminal:
        yield False
        return
    ended = threading.Event()

    def follow(live: Live) -> None:
        found = None
        while not ended.wait(EVERY):
            found = summarise(folder, found)
            live.update(detail(found, time.time()), refresh=True)

    with Live(console=console, auto_refresh=False, transient=True) as live:
        thread = threading.Thread(target=follow, args=(live,), daemon=True)
        thread.start()
        try:
            yield True
        finally:
            ended.set()
            thread.join()


def watch(folder: SweepFolder, console: Console) -> None:
    """Show the sweep until nothing runs any more, or Ctrl-C."""
    ran, found = time.monotonic(), None
    with Live(console=console, auto_refresh=False) as live:
        while True:
            found = summarise(folder, found)
            live.update(detail(found, time.time()), refresh=True)
            if found.numbers("running"):
                ran = time.monotonic()
            elif not found.numbers("waiting") or time.monotonic() - ran >= IDLE:
                return
            time.sleep(EVERY)
