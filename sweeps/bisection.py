"""The largest compression that stays within a limit: bisection over the logarithm of density. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Measurement:
    """The measured loss at one density, as ``Metric.loss`` gives it, for each seed; infinite for a seed that failed."""

    density: float
    drops: tuple[float, ...]

    @property
    def mean(self) -> float:
        return statistics.fmean(self.drops)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Student's t interval of the mean over seeds; infinite for a single seed, or if a seed failed."""
        if len(self.drops) < 2 or not all(map(math.isfinite, self.drops)):
            return (-math.inf, math.inf)
        spread = statistics.stdev(self.drops) / math.sqrt(len(self.drops))
        reach = float(stats.t.ppf((1 + confidence) / 2, len(self.drops) - 1)) * spread
        return (self.mean - reach, self.mean + reach)


@dataclass(frozen=True)
class Bracket:
    """Both sides of the limit: the hardest measurement within it, and the mildest one beyond it.

    ``within`` is None if no measurement is within the limit, ``beyond`` if even the lowest density is.
    """

    within: Measurement | None
    beyond: Measurement | None
    measured: tuple[Measurement, ...]


def bisect(
    measure: Callable[[float], Measurement], keeps: Callable[[Measurement], bool], *, lowest: float, tolerance: float
) -> Bracket:
    """Bisect densities between ``lowest`` and 1 until those of both ends differ by at most the factor ``tolerance``.

    Assumes that the drop grows as the density falls; where it does not, the bracket holds one of several crossings.
    Densities have four digits; the search also ends when none lies in between.
    """
    measured = [measure(lowest)]
    if keeps(measured[0]):
        return Bracket(measured[0], None, tuple(measured))
    within, beyond = None, measured[0]
    while (mildest := within.density if within else 1.0) / beyond.density > tolerance:
        between = _rounded(math.sqrt(mildest * beyond.density))
        if not beyond.density < between < mildest:
            break
        measured.append(measure(between))
        if keeps(measured[-1]):
            within = measured[-1]
        else:
            beyond = measured[-1]
    return Bracket(within, beyond, tuple(measured))


def _rounded(density: float) -> float:
    """The density with four digits, which a user can type again."""
    return float(f"{density:.4g}")


def certainly(measured: Sequence[Measurement], limit: float, confidence: float) -> tuple[float | None, float | None]:
    """The lowest measured density whose interval lies within the limit, and the highest whose interval lies beyond."""
    intervals = {each.density: each.interval(confidence) for each in measured}
    within = [density for density, (_, high) in intervals.items() if high <= limit]
    beyond = [density for density, (low, _) in intervals.items() if low > limit]
    return min(within, default=None), max(beyond, default=None)
