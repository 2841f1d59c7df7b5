"""What differences between networks amount to: intervals, p values, and verdicts on them, paired by seed.

Every p value of this project and every interval of a mean is computed here; what other seeds would have chosen is for
``choices``. Knows plain numbers only: neither records nor what is made of them.

A comparison has one difference per seed, as a gain: positive is for the better. The differences of independent seeds
are taken for normal, so that ``mean ± t(n - 1) std / sqrt(n)`` covers their expectation in 95 of 100 repetitions
(Student 1908). Two questions are asked of each, two-sided and at 5 %:

*difference*: is the interval clear of zero?
*equivalence*: does the interval lie within a margin that was stated before (Schuirmann 1987, at the level of the
interval, which is the stricter of the two in use)? Where only a loss counts, it is asked of its lower end alone
(non-inferiority).

A table asks many. ``holm`` corrects the p values of its differences, and those of its equivalences (Holm 1979), so that
of 100 tables at most 5 say of anything that it differs where it does not, and at most 5 that it is equivalent where it
is not.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeVar

from scipy import stats

from pruneexp.errors import UserError
from pruneexp.summary.spread import spread

Verdict = Literal["better", "worse", "equivalent", "no worse", "no evidence", "no verdict"]
#: What the margin bounds: differences either way, or losses alone, so that ``no worse`` takes the place of equivalence.
Bounds = Literal["both", "loss"]

Judged = TypeVar("Judged")

#: Share of wrong verdicts of each kind among tables without a difference, and 1 - the coverage of intervals.
LEVEL = 0.05
#: Fewer seeds say nothing about how seeds scatter.
FEWEST_SEEDS = 3
#: The chance that the seeds said to be needed settle the question.
POWER = 0.8
#: More seeds than these are only said to be more.
MOST = 100
#: A verdict is near the line if a repetition has it with a smaller chance.
SURE = 0.9
#: The same for a reader, below a table.
NEAR_NOTE = "Near the line: of repetitions with other seeds, more than one in ten would give another verdict."

#: What is worth nothing either way, on a test set of so many examples or more; wider on smaller ones.
MARGIN, MARGIN_SMALL, LARGE = 0.5, 1.0, 5_000
#: Of the option of commands that publish verdicts; 0 leaves the margin to the test set.
MARGIN_HELP = (
    f"equivalence: a difference within it counts for nothing; 0: {MARGIN}, or {MARGIN_SMALL} on small test sets"
)


class Comparison(NamedTuple):
    """Differences over ``n`` seeds, and what they amount to; numbers that ``n`` does not allow are absent.

    ``low`` and ``high`` are the 95 % interval of the mean. ``p`` is that of no difference; ``p_equivalent`` that of a
    difference of ``margin`` or more, the smallest level whose interval lies within the margin. ``family`` is how many
    comparisons they were corrected for.
    """

    n: int
    mean: float
    std: float | None
    low: float | None
    high: float | None
    p: float | None
    p_equivalent: float | None
    margin: float
    verdict: Verdict
    bounds: Bounds = "both"
    family: int = 1

    @property
    def repeated(self) -> float:
        """The chance that other seeds would give this verdict, if mean and scatter are in truth as in these.

        It is the reproducibility probability of Goodman (1992), for the verdicts of a table by Bonferroni's level.
        """
        if self.verdict == "no verdict" or not self.std:
            return 1.0
        equivalent = _power_of_equivalence(self, self.n, LEVEL / self.family)
        if self.verdict in ("equivalent", "no worse"):
            return equivalent
        differs = _power_of_difference(self, self.n, LEVEL / self.family)
        return 1.0 - differs - equivalent if self.verdict == "no evidence" else differs - equivalent

    @property
    def near(self) -> bool:
        """Whether the verdict is near the line: what should not matter, such as another processor, might turn it."""
        return self.repeated < SURE

    @property
    def seeds_needed(self) -> int | None:
        """How many seeds in all would probably settle what is not settled; 101 stands for more than 100."""
        return _seeds_needed(self, LEVEL / self.family) if self.verdict == "no evidence" else None

    def said(self, words: Mapping[Verdict, str] = MappingProxyType({})) -> str:
        """The verdict for a reader, in other ``words`` where these have it: ``n = 1: no verdict``."""
        if self.verdict == "no verdict":
            return f"n = {self.n}: no verdict"
        return words.get(self.verdict, self.verdict) + ", near the line" * self.near

    @property
    def settled_by(self) -> str:
        """How many seeds in all would probably settle what is not settled: ``12``, ``> 100``; else empty."""
        needed = self.seeds_needed
        if needed is None:
            return ""
        return str(needed) if needed <= MOST else f"> {MOST}"


class _Tests(NamedTuple):
    """The p values of both questions."""

    difference: float
    equivalence: float


def compare(differences: Sequence[float], margin: float, bounds: Bounds = "both", step: float = 0.0) -> Comparison:
    """What differences, one per seed and positive for the better, amount to by themselves.

    ``step`` is the smallest change of a score that its test set can show: one example. Both scores of a difference are
    rounded to it, and scatter by ``step / sqrt(12)`` for that alone (Sheppard 1898), also where all differences are the
    same.

    Raises:
        ValueError: there is none, one is not finite, or the margin is not a positive number.
    """
    if not 0.0 < margin < math.inf:
        raise ValueError(f"a margin of equivalence is a positive number; got {margin}")
    of = spread(differences)
    std = None if of.std is None else max(of.std, step / math.sqrt(6.0))
    found = Comparison(of.n, of.mean, std, None, None, None, None, margin, "no verdict", bounds)
    if std is None:
        return found
    half = float(stats.t.ppf(1.0 - LEVEL / 2.0, of.n - 1)) * _standard_error(found)
    tests = _tests(found)
    found = found._replace(low=of.mean - half, high=of.mean + half, p=tests.difference, p_equivalent=tests.equivalence)
    (judged,) = holm([found])
    return judged


def holm(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons of one table with the p values and verdicts that they have together, in the same order.

    Comparisons of fewer than three seeds count for nothing. What earlier calls corrected makes no difference.
    """
    judged = [one for one in comparisons if one.n >= FEWEST_SEEDS]
    tests = [_tests(one) for one in judged]
    made = iter([_judged(one, place, tests) for place, one in enumerate(judged)])
    return tuple(next(made) if one.n >= FEWEST_SEEDS else one for one in comparisons)


def together(rows: Iterable[Judged], name: str = "difference") -> tuple[Judged, ...]:
    """The rows of one table, named tuples, with the verdicts that their comparisons ``name`` have together, if any."""
    found: list[Any] = list(rows)
    judged = iter(holm([of for row in found if (of := getattr(row, name)) is not None]))
    return tuple(row if getattr(row, name) is None else row._replace(**{name: next(judged)}) for row in found)


def corrected(judged: Iterable[Comparison]) -> str:
    """How the verdicts of a table came about, for its notes: ``t test, 5 %, Holm over the 12 verdicts of this table``.

    Where the interval of a line by itself leaves zero out and the verdict does not, the note says why.
    """
    found = [one for one in judged if one.verdict != "no verdict"]
    text = "t test, 5 %" + f", Holm over the {len(found)} verdicts of this table" * (len(found) > 1)
    clear = any(one.verdict == "no evidence" and abs(one.mean) > (one.high or 0.0) - one.mean for one in found)
    return text + ", so the interval of one line alone may be clear of zero without evidence" * clear


def margin_of(examples: int | None, given: float | None = None) -> float:
    """The margin of equivalence on a test set of so many examples, or what was asked for.

    It is stated in what changes are measured in: points, or per cent. Half a point is what papers report as a
    difference; 1,000 examples cannot tell that from nothing, and get a whole point.

    Raises:
        UserError: what was asked for is not a positive number.
    """
    if given is None:
        return MARGIN if examples is None or examples >= LARGE else MARGIN_SMALL
    if not 0.0 < given < math.inf:
        raise UserError(f"--margin={given:g}: a margin of equivalence is a number above 0.")
    return given


def sampling_error(percent: float, examples: int) -> float:
    """Half of the 95 % interval of an accuracy, in points, that is due to the choice of the test examples.

    The interval is Wilson's (1927), which is none of zero length at 100 %.

    Raises:
        ValueError: the accuracy is no percentage, or there is no example.
    """
    if not 0.0 <= percent <= 100.0 or examples < 1:
        raise ValueError(f"an accuracy of {percent} % over {examples} examples; allowed are 0 to 100 %, 1 or more")
    z, share = float(stats.norm.ppf(1.0 - LEVEL / 2.0)), percent / 100.0
    half = z / (1.0 + z * z / examples) * math.sqrt(share * (1.0 - share) / examples + (z / (2.0 * examples)) ** 2)
    return 100.0 * half


def _standard_error(of: Comparison) -> float:
    assert of.std is not None
    return of.std / math.sqrt(of.n)


def _tests(of: Comparison) -> _Tests:
    """The p values of both questions by themselves; of differences that are all the same, 0 or 1."""
    error = _standard_error(of)
    inside = of.margin - abs(of.mean) if of.bounds == "both" else of.margin + of.mean
    if error == 0.0:
        return _Tests(float(of.mean == 0.0), float(inside <= 0.0))
    difference, beyond = (2.0 * float(stats.t.sf(each / error, of.n - 1)) for each in (abs(of.mean), inside))
    return _Tests(difference, min(1.0, beyond))


def _judged(of: Comparison, place: int, family: Sequence[_Tests]) -> Comparison:
    """One of the comparisons of a table, with its p values and its verdict among all of them."""
    found = _corrected(family, place)
    verdict = _verdict(of, found)
    return of._replace(p=found.difference, p_equivalent=found.equivalence, verdict=verdict, family=len(family))


def _verdict(of: Comparison, found: _Tests) -> Verdict:
    """What corrected p values say; a difference that is surely smaller than the margin is an equivalence."""
    if found.equivalence < LEVEL:
        return "equivalent" if of.bounds == "both" else "no worse"
    if found.difference < LEVEL:
        return "better" if of.mean > 0.0 else "worse"
    return "no evidence"


def _corrected(family: Sequence[_Tests], place: int) -> _Tests:
    columns = zip(*family, strict=True)
    return _Tests(*(_holm_adjusted(column)[place] for column in columns))


def _holm_adjusted(values: Sequence[float]) -> list[float]:
    """Holm's (1979) adjusted p values: each is that at which its hypothesis would just be rejected among all."""
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[place] = largest
    return adjusted


def _seeds_needed(of: Comparison, level: float) -> int:
    """The fewest seeds with which one of both questions is settled in 80 of 100 repetitions, if all is as observed."""
    counts = range(of.n + 1, MOST + 1)

    def settles(n: int) -> bool:
        return max(_power_of_difference(of, n, level), _power_of_equivalence(of, n, level)) >= POWER

    return of.n + 1 + bisect.bisect_left(counts, True, key=settles) if counts else MOST + 1


def _power_of_difference(of: Comparison, n: int, level: float) -> float:
    """The power of the two-sided t test, by the noncentral t distribution; its far side counts for nothing."""
    assert of.std is not None
    limit = float(stats.t.ppf(1.0 - level / 2.0, n - 1))
    return float(stats.nct.sf(limit, n - 1, abs(of.mean) / of.std * math.sqrt(n)))


def _power_of_equivalence(of: Comparison, n: int, level: float) -> float:
    """The power of the one-sided tests, from below: none of them fails (Phillips 1990 has it exactly)."""
    assert of.std is not None
    limit, scale = float(stats.t.ppf(1.0 - level / 2.0, n - 1)), math.sqrt(n) / of.std
    distances = [of.margin + of.mean, of.margin - of.mean] if of.bounds == "both" else [of.margin + of.mean]
    passed = [float(stats.nct.sf(limit, n - 1, distance * scale)) for distance in distances]
    return max(0.0, 1.0 - sum(1.0 - each for each in passed))
