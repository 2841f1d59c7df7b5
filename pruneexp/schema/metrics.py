"""What networks are scored by: metrics, which way is better, and what a change of one amounts to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

#: What else stands in a score, under names that no metric has.
_OTHERS = ("loss", "undefined", "images")


@dataclass(frozen=True)
class Metric:
    """A number that says how well a network does; ``unit`` is ``%``, or empty for a number without one.

    ``direction`` is the way to the better: a larger number, or a smaller one.

    Raises:
        ValueError: the name is not of letters, digits, ``_`` and ``-``, or that of another number of a score.
    """

    name: str
    unit: str = ""
    direction: Literal["maximize", "minimize"] = "maximize"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name) or self.name in _OTHERS:
            raise ValueError(
                f"{self.name!r} names no metric: allowed are letters, digits, _ and -, but not {', '.join(_OTHERS)}"
            )

    @property
    def word(self) -> str:
        """The metric in the names of numbers that follow from it, and in headings: ``accuracy`` of ``top1``."""
        return "accuracy" if self.name == TOP1.name else self.name

    @property
    def title(self) -> str:
        """The metric in sentences: ``top-1 accuracy``, ``BLEU-4``, ``perplexity``."""
        place, length = (re.fullmatch(pattern, self.name) for pattern in (r"top(\d+)", r"bleu_(\d)"))
        return f"top-{place[1]} accuracy" if place else f"BLEU-{length[1]}" if length else self.name

    @property
    def change_unit(self) -> str:
        """``points`` for what is in percent already; ``%`` for other numbers, whose changes are relative."""
        return "points" if self.unit == "%" else "%"

    def heading(self, split: str, when: str) -> str:
        """Of a column of values: ``val after``, or ``val perplexity after`` where the metric is not top-1 accuracy."""
        return " ".join((split, *self._named, when))

    def change_heading(self, split: str) -> str:
        """Of a column of changes: ``test change``, in points, or ``test perplexity change, %``."""
        unit = "" if self.change_unit == "points" else f", {self.change_unit}"
        return self.heading(split, "change") + unit

    @property
    def _named(self) -> tuple[str, ...]:
        return () if self.name == TOP1.name else (self.name,)

    def change(self, dense: float, after: float) -> float:
        """``after`` against ``dense``: in points where the metric is in percent, else in percent of ``dense``."""
        return self._measured(after - dense, dense)

    def loss(self, dense: float, after: float) -> float:
        """How much worse ``after`` is than ``dense``, as ``change`` measures it; negative where it is better."""
        worse = dense - after if self.direction == "maximize" else after - dense
        return self._measured(worse, dense)

    def merit(self, dense: float, value: float) -> float:
        """A number that is the larger the better a value is; those of two values differ by the loss between them.

        The loss is against ``dense``; of a metric in percent that is to be large, the merit is the value itself.
        """
        return self._measured(value if self.direction == "maximize" else -value, dense)

    def _measured(self, difference: float, dense: float) -> float:
        if self.unit == "%":
            return difference
        return 100.0 * difference / abs(dense) if dense else float("nan")


#: Accuracy of the first guess: the metric of records that name none.
TOP1 = Metric("top1", "%")
#: Accuracy of the first five guesses.
TOP5 = Metric("top5", "%")


class JudgedByMetric:
    """A record whose ``task`` and ``metric``, the first of its metrics, are None for classification."""

    task: str | None
    metric: Metric | None

    @property
    def primary(self) -> Metric:
        """The metric that the record is judged by."""
        return self.metric or TOP1

    @property
    def example(self) -> str:
        """What one of the examples that networks are scored on is called."""
        return "image" if self.task is None else "example"
