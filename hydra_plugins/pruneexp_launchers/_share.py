"""How the cores of a machine are shared out among jobs; knows no launcher."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_THREADS = "runtime.threads"


@dataclass(frozen=True)
class Share:
    """So many jobs at a time, with so many threads each."""

    jobs: int
    threads: int

    @classmethod
    def of(cls, wanted: int, jobs: int, cores: int, capacity: int = 0) -> "Share":
        """For ``jobs`` jobs of which ``wanted`` may run at once; ``capacity`` is what the GPUs take, 0 for no GPUs."""
        at_once = max(1, min(wanted, jobs, capacity or wanted))
        return cls(at_once, max(1, cores // at_once))

    def __str__(self) -> str:
        jobs = "one job at a time" if self.jobs == 1 else f"{self.jobs} jobs at a time"
        return f"{jobs}, {self.threads} {'thread' if self.threads == 1 else 'threads'} each"


def threaded(
    jobs: Sequence[Sequence[str]], fixed: int | None, threads: int, environment: Mapping[str, str] = os.environ
) -> tuple[list[list[str]], int | None]:
    """The jobs with ``runtime.threads`` said in each, and the number; as they were, and None, where somebody decided.

    It is said rather than set aside, so that it stands in the configuration that is recorded with every run: on a CPU
    the number can change the last bits of a sum. A user decides by the key itself or by OMP_NUM_THREADS.
    """
    said = any(line.lstrip("+").startswith(f"{_THREADS}=") for job in jobs for line in job)
    if fixed is not None or said or environment.get("OMP_NUM_THREADS"):
        return [list(job) for job in jobs], None
    return [[*job, f"{_THREADS}={threads}"] for job in jobs], threads
