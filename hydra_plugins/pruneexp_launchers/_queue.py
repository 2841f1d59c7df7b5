"""What becomes of jobs in Slurm's queue; needs no accounts, which many small clusters do not keep."""

import subprocess
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

_LOOK_SECONDS = 5.0
#: Looks for which a job is not in the queue and its result may still be on its way through a shared disk.
_LOOKS = 3


def ended(results: Mapping[str, Path]) -> Iterator[str]:
    """Each job as it ends: its file of results is there, or it has left the queue without one."""
    left = dict(results)
    missed = Counter[str]()
    while left:
        time.sleep(_LOOK_SECONDS)
        missed.update(left.keys() - in_queue(left))
        for name in [name for name, file in left.items() if file.exists() or missed[name] > _LOOKS]:
            del left[name]
            yield name


def in_queue(names: Collection[str]) -> set[str]:
    """Those of these jobs that wait or run; all of them where Slurm does not answer."""
    arrays = sorted({name.partition("_")[0] for name in names})
    command = ["squeue", "--noheader", "--array", "--format=%i", f"--jobs={','.join(arrays)}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return set(done.stdout.split())
    return set() if "Invalid job id" in done.stderr else set(names)  # an id that it has forgotten


def cancel(names: Collection[str]) -> None:
    """Take jobs out of the queue, running ones too."""
    if names:
        subprocess.run(["scancel", *names], capture_output=True, check=False)
