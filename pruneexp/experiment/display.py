"""What a person sees of a job: the plan before it, bars while it runs, a table of its points after it.

Bars appear in a terminal only; plan and table are plain enough for a log file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pruneexp.experiment.plan import Plan
from pruneexp.schema import PointIdentity, TradeoffPoint, unmeasured
from pruneexp.summary.rows import dense_row, headings, remarks, row
from pruneexp.terminal import BAR_WIDTH, LOG_WIDTH, print_table
from pruneexp.training.events import TrainingEvent


def curve_text(of: PointIdentity) -> str:
    """The choices that make a curve, in one line."""
    parts = (of.model, of.data, of.reg, of.criterion, of.schedule, of.mode, f"seed {of.seed}", of.device)
    return " · ".join(parts)


class Display:
    """Writes to standard output; notes that are not results go to standard error."""

    def __init__(self, *, bars: bool) -> None:
        self._out = Console(highlight=False, soft_wrap=True)
        if not self._out.is_terminal:
            self._out.width = LOG_WIDTH
        self._notes = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = bars and self._notes.is_terminal
        self._progress: Progress | None = None
        self._points: TaskID | None = None
        self._epochs: TaskID | None = None

    def note(self, sentence: str) -> None:
        """Say something that a person should know, without disturbing the bars."""
        self._notes.print(escape(f"pruneexp: {sentence}"))

    def plan(self, of: PointIdentity, plan: Plan) -> None:
        self._out.print(f"[bold]{escape(curve_text(of))}[/]")
        lines = list(plan.lines())
        width = max([9, *(len(name) for name, _ in lines)])
        for name, text in lines:
            self._out.print(f"  {name:<{width}} {escape(text)}")

    def warn(self, overlooked: str) -> None:
        """Say below a table what its numbers leave out, if anything."""
        if overlooked:
            self.say(f"warning: {overlooked}")

    def say(self, text: str) -> None:
        """Print a line of the result."""
        self._out.print(escape(text))

    @contextmanager
    def running(self, points: int, what: str = "points") -> Iterator[None]:
        """Show bars for points (or ``what`` else is counted) and epochs while the job runs."""
        columns = (
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        self._notes.width = min(self._notes.width, BAR_WIDTH)
        with Progress(*columns, console=self._notes, transient=True, disable=not self._bars) as progress:
            self._progress = progress
            self._points = progress.add_task(what, total=points, detail="")
            self._epochs = progress.add_task("epochs", total=None, detail="", visible=False)
            try:
                yield
            finally:
                self._progress = None

    def training(self, event: TrainingEvent) -> None:
        """Show how far a training is."""
        if self._progress is None or self._epochs is None:
            return
        if event.kind == "begin":
            self._progress.reset(self._epochs, visible=True)
        if event.kind in ("begin", "epoch"):
            detail = f"loss {event.loss:.3f}  {event.seconds:.1f} s/epoch" if event.kind == "epoch" else ""
            self._progress.update(self._epochs, description=event.stage, total=event.total, detail=detail)
        self._progress.update(self._epochs, completed=event.epoch + event.share)

    def point_done(self, detail: str = "") -> None:
        """Another point is done; ``detail`` is shown beside the bar."""
        if self._progress is not None and self._points is not None:
            self._progress.update(self._points, advance=1, detail=detail)

    def begin_points(self, count: int, what: str) -> None:
        """From here on so many of something else are counted."""
        if self._progress is not None and self._points is not None:
            self._progress.reset(self._points, description=what, total=count, completed=0, detail="")

    def points_done(self, count: int, detail: str = "") -> None:
        """So many points are done, those of other workers included."""
        if self._progress is not None and self._points is not None:
            self._progress.update(self._points, completed=count, detail=detail)

    def table(self, points: Sequence[TradeoffPoint]) -> None:
        """The primary metric of each after that of the dense network, which ``test change`` is against.

        What else must be known of a point stands below, on a line of its own, and of the last what it gained.
        """
        if not points:
            return
        self.sheet(headings(points[0].identity.primary), [dense_row(points[:1]), *(row([point]) for point in points)])
        for point in points:
            if said := remarks(point):
                self.say(f"  {point.identity.budget.text}: {said}")
        self.say(f"  {points[-1].identity.budget.text}: {unmeasured(points[-1])}")

    def sheet(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A plain table, right-aligned."""
        print_table(self._out, columns, rows)
