"""What becomes of jobs in Slurm's queue; needs no accounts, which many small clusters do not keep."""

import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

_LOOK_SECONDS = 1.0
_ASK_SECONDS = 10.0
#: How long after a job has left the queue its result may still be on its way through a shared disk.
_ARRIVES_SECONDS = 15.0


def wait(
    results: Mapping[str, Path],
    over: Callable[[str], None],
    queued: Callable[[Collection[str]], set[str]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Call ``over`` with each job as it ends: its file of results is there, or it has left the queue without one."""
    waiting = dict(results)
    asked, gone = clock(), dict[str, float]()
    while waiting:
        for name, file in list(waiting.items()):
            if file.exists() or clock() - gone.get(name, clock()) > _ARRIVES_SECONDS:
                del waiting[name]
                over(name)
        if waiting and clock() - asked >= _ASK_SECONDS:
            present = (queued or in_queue)(waiting)
            asked = clock()
            gone = {name: gone.get(name, asked) for name in waiting if name not in present}
        if waiting:
            sleep(_LOOK_SECONDS)


def in_queue(names: Collection[str]) -> set[str]:
    """Those of these jobs that wait or run; all of them where Slurm does not answer."""
    arrays = sorted({name.partition("_")[0] for name in names})
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={','.join(arrays)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return set(done.stdout.split())
    return set() if "Invalid job id" in done.stderr else set(names)  # an id that it has forgotten


def cancel(names: Sequence[str]) -> None:
    """Take jobs out of the queue, running ones too."""
    if names:
        subprocess.run(["scancel", *names], capture_output=True, check=False)
