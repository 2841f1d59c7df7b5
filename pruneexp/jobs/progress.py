"""What a sweep has come to: where all of its jobs stand, how far they are together, and when they should be done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pruneexp.errors import UserError
from pruneexp.jobs.folder import Jobs, SweepFolder
from pruneexp.jobs.state import JobState, State, read_state


@dataclass(frozen=True)
class SweepProgress:
    """``jobs`` are the overrides, ``states`` where each stands, by the number of the job."""

    name: str
    jobs: Jobs
    states: tuple[JobState, ...]

    def numbers(self, *wanted: State) -> list[int]:
        """Jobs in any of these states."""
        return [number for number, state in enumerate(self.states) if state.state in wanted]

    @property
    def left(self) -> list[int]:
        """Jobs that the sweep's command runs; what failed by itself would fail again, and is left alone."""
        return self.numbers("waiting", "stopped", "lost")

    @property
    def stuck(self) -> bool:
        """Whether a job failed, or some are left and no process runs any."""
        return bool(self.numbers("failed") or (self.left and not self.numbers("running")))

    @property
    def counts(self) -> Counter[State]:
        return Counter(state.state for state in self.states)

    @property
    def points(self) -> int | None:
        """Points asked for; None where nobody has counted them for every job."""
        asked = [state.points for state in self.states if state.points is not None]
        return sum(asked) if len(asked) == len(self.states) else None

    @property
    def points_done(self) -> int:
        return sum(state.done for state in self.states)

    @property
    def seconds_left(self) -> float | None:
        """Seconds of one worker's work until nothing waits or runs; None where nothing tells how long a point takes.

        A point takes as long as the points that the jobs' last attempts have computed took on average.
        """
        open_jobs = [self.states[number] for number in (*self.left, *self.numbers("running"))]
        if not open_jobs:
            return 0.0
        computing = [state for state in self.states if state.done > state.stored]
        if not computing or any(state.points is None for state in open_jobs):
            return None
        seconds = sum(state.updated - state.started for state in computing)
        computed = sum(state.done - state.stored for state in computing)
        return seconds / computed * sum((state.points or 0) - state.done for state in open_jobs)

    @property
    def seconds_to_end(self) -> float | None:
        """As ``seconds_left``, shared by the jobs that run now; None where none does."""
        running = self.counts["running"]
        return None if self.seconds_left is None or not running else self.seconds_left / running


def progress(folder: SweepFolder, jobs: Jobs | None = None) -> SweepProgress:
    """Read where every job stands; what is looked at again and again gives its ``jobs``, which stay the same.

    Raises:
        UserError: there is no such sweep, or its definition cannot be read.
    """
    jobs = jobs or folder.jobs()
    if jobs is None:
        raise UserError(f"there is no sweep {folder.name} in {folder.root}")
    return SweepProgress(folder.name, jobs, tuple(read_state(folder, number) for number in range(len(jobs))))
