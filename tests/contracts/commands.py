"""Commands as users give them, in processes that a test watches and disturbs."""

from __future__ import annotations

import os
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

    ``environment`` is that of this process unless another is given; the project is found in either.
    """
    command = [sys.executable, "-m", program, *words]
    command += [f"runtime.store={folder}/store", f"runtime.tracking_uri=sqlite:///{folder}/mlflow.db"]
    known = {**(os.environ if environment is None else environment), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=folder, env=known, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(reached: Callable[[], bool], what: str, process: subprocess.Popen[str]) -> None:
    """Wait for something that happens while the process lives."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        time.sleep(0.05)
