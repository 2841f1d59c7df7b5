"""Which GPU a process uses where several work on one machine: a slot per device, held by a lock on a file.

Loads no torch: a device is chosen by ``CUDA_VISIBLE_DEVICES``, which CUDA reads once, when it is initialised. Hence a
process takes one slot, and keeps it as long as it lives. Slots lie in the machine's temporary folder, for a GPU belongs
to the machine and not to the folder that somebody works in.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, MutableMapping
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
class Slots:
    """``each`` slots on every one of these devices; their files lie in ``folder``."""

    devices: tuple[str, ...]
    each: int
    folder: Path

    def take(self, say: Callable[[str], None], poll: float = _POLL_SECONDS) -> tuple[str, BaseFileLock]:
        """A free device, empty ones first, and the lock that keeps it; waits, and says so once, while there is none."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = [(device, number) for number in range(self.each) for device in self.devices]
        waiting = False
        while True:
            for device, number in names:
                lock = FileLock(self.folder / f"{re.sub(r'[^-.:A-Za-z0-9]', '_', device)}.{number}.lock")
                try:
                    lock.acquire(blocking=False)
                except Timeout:
                    continue
                return device, lock
            if not waiting:
                say(
                    f"every GPU ({', '.join(self.devices)}) has its {self.each} job{'s' * (self.each > 1)}: waiting "
                    "for a free one; runtime.gpu_jobs says how many may share a GPU"
                )
            waiting = True
            time.sleep(poll)


def of_this_machine(each: int) -> Slots:
    """Slots on the devices that this process may use."""
    folder = Path(tempfile.gettempdir()) / f"pruneexp-slots-{os.getuid()}"
    return Slots(devices(os.environ.get(VISIBLE), present()), each, folder)


def capacity(each: int) -> int:
    """How many jobs the GPUs of this machine take at a time; 0 where there are none, or nobody counts."""
    return each * len(of_this_machine(each).devices)


def narrow(slots: Slots, environment: MutableMapping[str, str], say: Callable[[str], None]) -> BaseFileLock | None:
    """Take a slot and let nothing but its device be seen; None where there is none to take."""
    if not slots.devices or not slots.each:
        return None
    environment[VISIBLE], lock = slots.take(say)
    return lock


@functools.cache  # which also holds the lock as long as the process lives
def claim(each: int) -> BaseFileLock | None:
    """Take a GPU for this process, once, waiting for a free one; ``each`` jobs may share it, and 0 takes none."""
    return narrow(of_this_machine(each), os.environ, _say)


def _say(sentence: str) -> None:
    print(f"pruneexp: {sentence}", file=sys.stderr, flush=True)
