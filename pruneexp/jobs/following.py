"""A sweep while it runs: a line for each job that ends, the sentences of all, and in a terminal those that run.

The command that runs the sweep looks at its folder, so that it makes no difference which launcher runs the jobs.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TextIO

from rich.console import Console
from rich.live import Live

from pruneexp.jobs.folder import Jobs, SweepFolder
from pruneexp.jobs.lines import ended, labels, notes
from pruneexp.jobs.progress import EVERY, detail, progress
from pruneexp.jobs.state import JobState, read_state


class Follower:
    """What has been said of a sweep so far; ``look`` says the rest. It begins with the jobs as they stand now.

    Lines go to ``out``, sentences of the jobs to ``err``, each once however many jobs say it.
    """

    def __init__(self, folder: SweepFolder, out: TextIO, err: TextIO) -> None:
        self.folder, self.out, self.err = folder, out, err
        self.jobs: Jobs = folder.jobs() or ()
        self._labels = labels(self.jobs)
        open_ones = ("waiting", "running", "stopped", "lost")
        self._open = [n for n in range(len(self.jobs)) if read_state(folder, n).state in open_ones]
        self._read = {number: self._size(number) for number in self._open}
        self._told: set[str] = set()

    def look(self) -> None:
        """Say which jobs have ended since, and what the jobs have said."""
        for number in list(self._open):
            state = read_state(self.folder, number)
            over = state.state not in ("waiting", "running")
            if over:
                self._open.remove(number)
                log = str(self.folder.log(number))
                done = len(self.jobs) - len(self._open)
                print(ended(done, len(self.jobs), self._labels[number], state, log), file=self.out, flush=True)
            if over or state.state == "running":
                self._pass_on(number, state)

    def _pass_on(self, number: int, state: JobState) -> None:
        size = self._size(number)
        if size <= self._read[number]:
            return
        with self.folder.log(number).open("rb") as log:
            log.seek(self._read[number])
            text = log.read().decode(errors="replace")
        self._read[number] = size
        for line in notes(text, [state.reason] if state.reason else []):
            if line not in self._told:
                self._told.add(line)
                print(line, file=self.err, flush=True)

    def _size(self, number: int) -> int:
        log = self.folder.log(number)
        return log.stat().st_size if log.exists() else 0


@contextmanager
def following(folder: SweepFolder, *, live: bool) -> Iterator[None]:
    """Say what comes of the jobs while the block runs; ``live``: show those that run, if this is a terminal.

    The streams are those of now: a job within this process redirects its own.
    """
    console = Console(stderr=True, file=sys.stderr, highlight=False)
    shown = live and console.is_terminal
    screen = Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=sys.stdout.isatty(), redirect_stderr=True
    )
    with screen if shown else nullcontext():
        follower, over = Follower(folder, sys.stdout, sys.stderr), threading.Event()

        def follow() -> None:
            while not over.wait(EVERY):
                follower.look()
                if shown:
                    found = progress(folder, follower.jobs)
                    screen.update(detail(found, time.time(), ("running",)), refresh=True)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            follower.look()
