"""Commands as users give them: in this process, in one of their own, or in one that a test watches and disturbs.

A process takes three seconds to load torch and MLflow, so most tests call commands in this one (``called``).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

ROOT = Path(__file__).parents[2]

#: Seconds after which what a test waits for will not come any more, on a machine with much else to do.
PATIENCE = 300.0

#: Signals that a command listens to while it runs.
LISTENED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


def called(folder: Path, *words: str, program: str = "pruneexp") -> subprocess.CompletedProcess[str]:
    """``python -m PROGRAM WORDS`` in a folder of a user's, but within this process, which is left as it was found."""
    is_package = hasattr(importlib.import_module(program), "__path__")
    name = f"{program}.__main__" if is_package else program
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        _left_as_found(folder),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        sys.argv, sys.path[:0] = [program, *words], [str(folder)]
        try:
            status = importlib.import_module(name).main(list(words))
        except SystemExit as left:  # by argparse, which has said why
            status = int(left.code or 0)
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess([program, *words], status, *said)


def exported(folder: Path, *words: str) -> tuple[int, str, str]:
    """Status, output and complaints of ``python -m pruneexp.export WORDS``, called here."""
    done = called(folder, *words, program="pruneexp.export")
    return done.returncode, done.stdout, done.stderr


def about(folder: Path) -> dict[str, Any]:
    """What an exported folder says of itself."""
    found: dict[str, Any] = json.loads((folder / "export.json").read_text())
    return found


@contextmanager
def _left_as_found(folder: Path) -> Iterator[None]:
    """Put back what a command changes in its process, and forget the modules that it has loaded from a folder."""
    environment, path, arguments, modules = dict(os.environ), list(sys.path), sys.argv, set(sys.modules)
    handlers, threads = {number: signal.getsignal(number) for number in LISTENED}, torch.get_num_threads()
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None
        torch.set_num_threads(threads)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for name in set(os.environ) - set(environment):
            del os.environ[name]
        os.environ.update(environment)
        sys.path[:], sys.argv = path, arguments
        for name in set(sys.modules) - modules:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(f"{folder}{os.sep}"):
                del sys.modules[name]


def typed(folder: Path, *words: str, program: str = "pruneexp") -> subprocess.CompletedProcess[str]:
    """``python -m PROGRAM WORDS`` in a folder of a user's, in a process of its own."""
    command = [sys.executable, "-m", program, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


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
