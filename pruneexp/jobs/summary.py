"""What a sweep has come to: counts over its jobs, what is left, and when it should end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pruneexp.errors import UserError
from pruneexp.jobs.definition import read
from pruneexp.jobs.folder import SweepFolder
from pruneexp.jobs.state import JobState, State, read_state


@dataclass(frozen=True)
class Summary:
    """``jobs`` are the overrides, ``states`` where each stands, by the number of the job."""

    name: str
    jobs: tuple[tuple[str, ...], ...]
    states: tuple[JobState, ...]

    def numbers(self, *wanted: State) -> list[int]:
        """Jobs in any of these states."""
        return [number for number, state in enumerate(self.states) if state.state in wanted]

    @property
    def failed(self) -> list[int]:
        """Jobs that the sweep's command leaves alone: what failed was the work itself, and would fail again."""
        return [number for number in self.numbers("failed") if not self.states[number].mendable]

    @property
    def resumable(self) -> list[int]:
        """Jobs that the sweep's command runs: never started, stopped, or failed for want of something else."""
        stopped = [number for number in self.numbers("failed") if self.states[number].mendable]
        return sorted([*self.numbers("waiting", "killed", "lost"), *stopped])

    @property
    def stuck(self) -> bool:
        """Whether a job failed, or some are left and nobody runs any."""
        return bool(self.numbers("failed") or (self.resumable and not self.numbers("running")))

    @property
    def counts(self) -> Counter[State]:
        return Counter(state.state for state in self.states)

    @property
    def points(self) -> int | None:
        """Points asked for; None where nobody has counted them for every job."""
        asked = [state.points for state in self.states]
        return None if None in asked else sum(points or 0 for points in asked)

    @property
    def points_done(self) -> int:
        return sum(state.done for state in self.states)

    @property
    def seconds_left(self) -> float | None:
        """Seconds of one worker's work until nothing waits or runs; None where nothing tells how long a point takes.

        A point takes as long as the points that this sweep has computed took on average.
        """
        computed = sum(state.computed for state in self.states)
        open_jobs = [self.states[number] for number in (*self.resumable, *self.numbers("running"))]
        if not computed or any(state.points is None for state in open_jobs):
            return None if open_jobs else 0.0
        each = sum(state.seconds for state in self.states if state.computed) / computed
        return each * sum((state.points or 0) - state.done for state in open_jobs)

    @property
    def seconds_to_end(self) -> float | None:
        """As ``seconds_left``, shared by the jobs that run now; None where none does."""
        running = self.counts["running"]
        return None if self.seconds_left is None or not running else self.seconds_left / running


def summarise(folder: SweepFolder, before: Summary | None = None) -> Summary:
    """Read where every job stands; whoever looks again and again gives the summary of ``before``, whose jobs stay.

    Raises:
        UserError: there is no such sweep, or its definition cannot be read.
    """
    known = before or read(folder)
    if known is None:
        raise UserError(f"there is no sweep {folder.name} in {folder.root}")
    return Summary(folder.name, known.jobs, tuple(read_state(folder, number) for number in range(len(known.jobs))))
