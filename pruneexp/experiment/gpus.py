"""Which GPU a process uses where several work on one machine: each takes a share of one, held by a lock on a file.

Loads no torch: a device is chosen by ``CUDA_VISIBLE_DEVICES``, which CUDA reads once, when it is initialised. Hence a
process takes one share, and keeps it as long as it lives. The locks lie in the machine's temporary folder, for a GPU
belongs to the machine and not to the folder that somebody works in.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class GpuShares:
    """So many ``jobs`` may work on each of these devices; the files of the locks lie in ``folder``."""

    devices: tuple[str, ...]
    jobs: int
    folder: Path

    def take(self, say: Callable[[str], None], poll: float = _POLL_SECONDS) -> tuple[str, BaseFileLock]:
        """A free device, empty ones first, and the lock that keeps it; waits, and says so once, while there is none."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        waits = False
        while True:
            for number in range(self.jobs):
                for device in self.devices:
                    lock = FileLock(self.folder / f"{re.sub(r'[^-.:A-Za-z0-9]', '_', device)}.{number}.lock")
                    try:
                        lock.acquire(blocking=False)
                    except Timeout:
                        continue
                    return device, lock
            if not waits:
                say(
                    f"every GPU ({', '.join(self.devices)}) has its {self.jobs} job{'s' * (self.jobs > 1)}: waiting "
                    "for a free one; runtime.gpu_jobs says how many may share a GPU"
                )
            waits = True
            time.sleep(poll)


def of_this_machine(jobs: int) -> GpuShares:
    """Shares of the devices that this process may use."""
    folder = Path(tempfile.gettempdir()) / f"pruneexp-gpus-{os.getuid()}"
    return GpuShares(devices(os.environ.get(VISIBLE), present()), jobs, folder)


def capacity(jobs: int) -> int:
    """How many jobs the GPUs of this machine take at a time; 0 where there are none, or nobody counts."""
    return jobs * len(of_this_machine(jobs).devices)


@functools.cache  # which also holds the lock as long as the process lives
def claim(jobs: int) -> BaseFileLock | None:
    """Let this process see one GPU alone, waiting for a free one; ``jobs`` may share it, and 0 takes none."""
    shares = of_this_machine(jobs)
    if not shares.devices or not jobs:
        return None
    os.environ[VISIBLE], lock = shares.take(_say)
    return lock


def _say(sentence: str) -> None:
    print(f"pruneexp: {sentence}", file=sys.stderr, flush=True)
