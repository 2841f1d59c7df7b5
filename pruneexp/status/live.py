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


@contextmanager
def watching(folder: SweepFolder, *, wanted: bool) -> Iterator[bool]:
    """Show the sweep on standard error while the block runs; whether it is shown: in a terminal only."""
    console = Console(stderr=True, highlight=False)
    if not wanted or not console.is_terminal:
        yield False
        return
    ended = threading.Event()

    def follow(live: Live) -> None:
        while not ended.wait(EVERY):
            live.update(detail(summarise(folder), time.time()), refresh=True)

    with Live(console=console, auto_refresh=False, transient=True) as live:
        thread = threading.Thread(target=follow, args=(live,), daemon=True)
        thread.start()
        try:
            yield True
        finally:
            ended.set()
            thread.join()


def watch(folder: SweepFolder, console: Console) -> None:
    """Show the sweep until nothing waits or runs any more, or Ctrl-C."""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            found = summarise(folder)
            live.update(detail(found, time.time()), refresh=True)
            if not found.numbers("running", "waiting"):
                return
            time.sleep(EVERY)
