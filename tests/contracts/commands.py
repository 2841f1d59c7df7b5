"""Commands as users give them, in processes that a test watches and disturbs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Seconds after which what a test waits for will not come any more, on a machine with much else to do.
PATIENCE = 300.0


@contextmanager
def started(
    folder: Path, *words: str, program: str = "pruneexp", environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """``python -m PROGRAM`` with its store and records in ``folder``; it does not outlive a test that fails.

    It runs as at a terminal of its own: Ctrl-C reaches it and all that it starts, and nobody else.
    ``environment`` is that of this process unless another is given; the project is found in either.
    """
    command = [sys.executable, "-m", program, *words]
    command += [f"runtime.store={folder}/store", f"runtime.tracking_uri=sqlite:///{folder}/mlflow.db"]
    known = {**(os.environ if environment is None else environment), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=known,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  ignored in the background
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def remaining(process: subprocess.Popen[str]) -> list[str]:
    """What a command has started and left behind: the command lines of living processes of its session."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, session = status.read_text().rpartition(")")[2].split()[:4]
            if int(session) == process.pid and state not in "ZX":
                found.append(status.with_name("cmdline").read_text().replace("\0", " "))
    return [command for command in found if command]  # a process on its way out has given its memory back already


def until(reached: Callable[[], bool], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Wait for something that happens while the process lives, if one is given."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        if process is not None:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.05)
