"""How many threads compute: those of a kernel decide the last bits of a sum, those that share out a stack do not."""

from __future__ import annotations

import os

from pruneexp.config.skeleton import RuntimeConfig
from pruneexp.stages.setting import Learner

#: FLOP of a training step for each thread, some 5 ms of a core: with much less, threads mostly wait for each other.
STEP_FLOP = 2.5e8


def threads(runtime: RuntimeConfig, learner: Learner, batch_size: int) -> int:
    """Threads of each kernel: as the user says, else by network and data, and never more than the machine has.

    Jobs that run beside this one have no say: on one machine, a job has the same numbers among others and alone. Where
    ``runtime.cores`` is given, ``OMP_NUM_THREADS`` is what joblib shares out, and the launcher hands on the user's.
    """
    said = runtime.threads or (_said() if runtime.cores is None else None)
    if said is not None:
        return said
    if learner.device.type != "cpu":
        return _present()
    step = 3.0 * sum(learner.costs.layer_flop.values()) * batch_size
    return max(1, min(int(step / STEP_FLOP), _present()))


def cores(runtime: RuntimeConfig) -> int:
    """Cores that a job may keep busy with trainings side by side; changes no number."""
    return runtime.cores or runtime.threads or _said() or _present()


def _said() -> int | None:
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() and int(said) else None


def _present() -> int:
    return len(os.sched_getaffinity(0))
