"""How many threads compute: those of a kernel decide the last bits of a sum, those that share out a stack do not.

What follows from them is how many jobs a machine has room for side by side.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Collection
from pathlib import Path

from pruneexp.config.skeleton import RuntimeConfig
from pruneexp.stages.setting import Learner

#: FLOP of a training step for each thread, some 5 ms of a core: with much less, threads mostly wait for each other.
STEP_FLOP = 2.5e8

#: Memory of a job, in that of the process that has planned it: with the same libraries and data, and no training.
_JOB_MEMORY = 1.5


def threads(runtime: RuntimeConfig, learner: Learner, batch_size: int) -> int:
    """Threads of each kernel: as the user says, else by network and data, and never more than the machine has.

    Jobs that run beside this one have no say: on one machine, a job has the same numbers among others and alone.
    """
    said = runtime.threads or _said()
    if said is not None:
        return said
    if learner.device.type != "cpu":
        return _present()
    step = 3.0 * sum(learner.costs.layer_flop.values()) * batch_size
    return max(1, min(int(step / STEP_FLOP), _present()))


def cores(runtime: RuntimeConfig) -> int:
    """Cores that a job may keep busy with trainings side by side; changes no number."""
    return runtime.cores or runtime.threads or _said() or _present()


def room(cores_of_jobs: Collection[int | None]) -> int:
    """How many of these jobs this machine has room for at a time, by the cores that each keeps busy and by free memory.

    None is a job that a GPU computes: such jobs run one after the other. OMP_NUM_THREADS bounds all jobs together.
    """
    from joblib import cpu_count  # 0.1 s; knows what a container may use

    each = [cores for cores in cores_of_jobs if cores is not None]
    if not each or len(each) < len(cores_of_jobs):
        return 1
    busy = min(int(cpu_count()), _said() or _present()) // max(each)
    needed = _JOB_MEMORY * 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(1, int(min(busy, len(each), free_memory() / needed)))


def free_memory(root: Path = Path("/")) -> float:
    """Bytes that a new process can have without swapping, in the machine and in the container that this one is in."""
    free = [float("inf")]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        free += [1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
        group = root / "sys/fs/cgroup"
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        free.append(float(limit - used))
    return max(0.0, min(free))


def _said() -> int | None:
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and int(said) else None


def _present() -> int:
    return len(os.sched_getaffinity(0))
