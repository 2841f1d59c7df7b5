"""What becomes of jobs in Slurm's queue; needs no accounts, which many small clusters do not keep."""

import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

_LOOK_SECONDS = 1.0
_ASK_SECONDS = 10.0
#: How long after a job has left the queue its result may still be on its way through a shared disk.
_ARRIVES_SECONDS = 15.0


def wait(results: Mapping[str, Path], over: Callable[[str], None]) -> None:
    """Call ``over`` with each job as it ends: its file of results is there, or it has left the queue without one."""
    open_jobs = dict(results)
    asked, gone = time.monotonic(), dict[str, float]()
    while open_jobs:
        now = time.monotonic()
        for name, file in list(open_jobs.items()):
            if file.exists() or now - gone.get(name, now) > _ARRIVES_SECONDS:
                del open_jobs[name]
                over(name)
        if open_jobs and now - asked >= _ASK_SECONDS:
            present, asked = in_queue(open_jobs), now
            gone = {name: gone.get(name, now) for name in open_jobs if name not in present}
        if open_jobs:
            time.sleep(_LOOK_SECONDS)


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
