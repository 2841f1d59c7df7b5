"""Which GPU a process uses where several work on one machine: each takes a share of one, held by a lock on a file.

Loads no torch: a device is chosen by ``CUDA_VISIBLE_DEVICES``, which CUDA reads once, when it is initialised. Hence a
process takes one share, and keeps it as long as it lives. The locks lie in the machine's temporary folder, for a GPU
belongs to the machine and not to the folder that somebody works in.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

VISIBLE = "CUDA_VISIBLE_DEVICES"
_POLL_SECONDS = 1.0


def present() -> int:
    """GPUs that the driver shows in this machine or container."""
    return sum(re.fullmatch(r"nvidia\d+", path.name) is not None for path in Path("/dev").glob("nvidia*"))


def devices(visible: str | None, count: int) -> tuple[str, ...]:
    """What CUDA sees of ``count`` GPUs where ``CUDA_VISIBLE_DEVICES`` is ``visible``: all up to a number below 0."""
    if visible is None:
        return tuple(map(str, range(count)))
    names: list[str] = []
    for name in (part.strip() for part in visible.split(",")):
        if not name or name.startswith("-"):
            break
        names.append(name)
    return tuple(names)


def capacity(jobs: int) -> int:
    """How many jobs the GPUs of this machine take at a time; 0 where there are none, or nobody counts."""
    return jobs * len(devices(os.environ.get(VISIBLE), present()))


@functools.cache  # which also holds the lock as long as the process lives
def claim(jobs: int) -> BaseFileLock | None:
    """Let this process see one GPU alone, waiting for a free one; ``jobs`` may share it, and 0 takes none."""
    seen = devices(os.environ.get(VISIBLE), present())
    if not seen or not jobs:
        return None
    folder = Path(tempfile.gettempdir()) / f"pruneexp-gpus-{os.getuid()}"
    os.environ[VISIBLE], lock = take(seen, jobs, folder, _say)
    return lock


def take(
    seen: Sequence[str], jobs: int, folder: Path, say: Callable[[str], None], poll: float = _POLL_SECONDS
) -> tuple[str, BaseFileLock]:
    """One of the devices ``seen``, on which fewer than ``jobs`` work, empty ones first, and the lock that keeps it.

    The locks lie in ``folder``. Where every device has its jobs the process says so once, and waits.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    waits = False
    while True:
        for number in range(jobs):
            for device in seen:
                lock = FileLock(folder / f"{re.sub(r'[^-.:A-Za-z0-9]', '_', device)}.{number}.lock")
                with contextlib.suppress(Timeout):
                    lock.acquire(blocking=False)
                    return device, lock
        if not waits:
            say(
                f"every GPU ({', '.join(seen)}) has its {jobs} job{'s' * (jobs > 1)}: waiting for a free one; "
                "runtime.gpu_jobs says how many may share a GPU"
            )
        waits = True
        time.sleep(poll)


def _say(sentence: str) -> None:
    print(f"pruneexp: {sentence}", file=sys.stderr, flush=True)
