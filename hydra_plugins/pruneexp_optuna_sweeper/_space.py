"""The ranges of a sweep, read from its overrides and checked: Hydra's grammar on one side, Optuna's on the other.

The underscore keeps Hydra's plug-in scanner, which executes every other module a second time, away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import FloatRange, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from pruneexp.errors import UserError, first_line


def read(
    lines: Sequence[str], loader: ConfigLoader | None = None
) -> tuple[dict[str, BaseDistribution], tuple[str, ...]]:
    """What each swept key is drawn from, and the overrides that stay; of two for one key the later counts.

    Intervals and ranges of whole numbers are numbers to Optuna. All else, ranges of other numbers too, is a choice
    among the texts that Hydra's own sweeper would put into its jobs.

    Raises:
        UserError: a range from which nothing can be drawn.
    """
    parsed = OverridesParser.create(loader).parse_overrides(list(lines))
    last = {(override.key_or_group, override.package): override for override in parsed}.values()
    swept = {override.get_key_element(): _distribution(override) for override in last if override.is_sweep_override()}
    fixed = tuple(str(override.input_line) for override in last if not override.is_sweep_override())
    return dict(sorted(swept.items())), fixed


def text(value: object) -> str:
    """A value that was drawn, as a command line spells it; a float with all its digits."""
    return value if isinstance(value, str) else repr(value)


def _distribution(override: Override) -> BaseDistribution:
    sweep = override.value()
    tags: set[str] = getattr(sweep, "tags", None) or set()
    try:
        steps = _steps(sweep) if isinstance(sweep, RangeSweep) else None
        if tags - {"log"} or (tags and not isinstance(sweep, IntervalSweep) and not isinstance(steps, range)):
            raise ValueError("the one tag is log, for intervals and for whole numbers at step 1")
        if isinstance(sweep, IntervalSweep):
            return _interval(_finite(sweep.start), _finite(sweep.end), log=bool(tags))
        if isinstance(steps, range):
            return IntDistribution(min(steps), max(steps), log=bool(tags), step=abs(steps.step))
        # Sorted, for a shuffled sweep would be another study each time.
        return CategoricalDistribution(sorted(set(override.sweep_string_iterator())))
    except (ValueError, HydraException) as error:  # Optuna's and Hydra's own sentences, most of them
        raise UserError(f"{override.input_line}: {first_line(error)}") from error


def _interval(low: float, high: float, *, log: bool) -> BaseDistribution:
    if isinstance(low, int):
        return IntDistribution(low, int(high), log=log)
    return FloatDistribution(low, high, log=log)


def _steps(sweep: RangeSweep) -> range | FloatRange:
    for number in (sweep.start, sweep.stop, sweep.step):
        _finite(number)
    steps = sweep.range()
    if not steps:
        raise ValueError("this range holds no number")
    return steps


def _finite(number: float | None) -> float:
    if number is None or not math.isfinite(number):
        raise ValueError(f"a range ends at finite numbers, not at {number}")
    return number
