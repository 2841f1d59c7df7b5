"""The ranges of a sweep, read from its overrides and checked: Hydra's grammar on one side, Optuna's on the other.

The underscore keeps Hydra's plug-in scanner, which executes every other module a second time, away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Transformer,
)
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from pruneexp.errors import UserError

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Dimension:
    """What a key is drawn from; ``texts`` are the values of a choice as the command line spells them."""

    distribution: BaseDistribution
    texts: tuple[str, ...] = ()

    def exact(self, value: Value) -> Value:
        """The nearest number of a grid as it would be typed: 0.3, not 0.30000000000000004."""
        range_ = self.distribution
        if not isinstance(range_, FloatDistribution) or range_.step is None or not isinstance(value, float):
            return value
        low, step = Decimal(str(range_.low)), Decimal(str(range_.step))
        return float(low + round((Decimal(value) - low) / step) * step)

    def text(self, value: Value) -> str:
        """The value on a command line; a float with all its digits."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.texts[self.distribution.choices.index(value)]
        return repr(self.exact(value))


def read(lines: Sequence[str], loader: ConfigLoader | None = None) -> tuple[dict[str, Dimension], tuple[str, ...]]:
    """The swept keys with their ranges, and the overrides that stay; of two for one key the later counts.

    Raises:
        UserError: a range from which nothing can be drawn.
    """
    parsed = OverridesParser.create(loader).parse_overrides(list(lines))
    last = {(override.key_or_group, override.package): override for override in parsed}.values()
    swept = {override.get_key_element(): _dimension(override) for override in last if override.is_sweep_override()}
    fixed = tuple(str(override.input_line) for override in last if not override.is_sweep_override())
    return dict(sorted(swept.items())), fixed


def _dimension(override: Override) -> Dimension:
    sweep, where = override.value(), override.input_line
    tags: set[str] = getattr(sweep, "tags", set())
    if isinstance(sweep, IntervalSweep):
        low, high, step = _interval(sweep, where)
    elif isinstance(sweep, RangeSweep):
        low, high, step = _range(sweep, where)
    elif tags:
        raise _wrong_tag(where)
    else:
        return _choices(override)
    whole = isinstance(low, int)
    if tags and (tags != {"log"} or step != (1 if whole else None)):
        raise _wrong_tag(where)
    if tags and low <= 0:
        raise UserError(f"{where}: on a log scale the lower end is above 0")
    if whole:
        return Dimension(IntDistribution(int(low), int(high), log=bool(tags), step=int(step or 1)))
    return Dimension(FloatDistribution(low, high, log=bool(tags), step=step))


def _wrong_tag(where: str | None) -> UserError:
    return UserError(f"{where}: the one tag is log, for intervals and for whole numbers at step 1")


def _interval(sweep: IntervalSweep, where: str | None) -> tuple[float, float, float | None]:
    low, high = sweep.start, sweep.end
    if low is None or high is None or not -math.inf < low < high < math.inf:
        raise UserError(f"{where}: the upper end of an interval is a finite number above the lower one")
    return low, high, 1 if isinstance(low, int) else None


def _range(sweep: RangeSweep, where: str | None) -> tuple[float, float, float | None]:
    """Python's range: the stop is excluded. In decimals, as typed: binary fractions would miscount the steps."""
    kind = int if all(isinstance(x, int) for x in (sweep.start, sweep.stop, sweep.step)) else float
    start, stop, step = (Decimal(str(x)) for x in (sweep.start, sweep.stop, sweep.step))
    count = math.ceil((stop - start) / step) if step and (stop - start).is_finite() else 0
    if count < 1:
        raise UserError(f"{where}: this range holds no number, or no end of them")
    low, high = sorted((start, start + (count - 1) * step))
    return kind(low), kind(high), kind(abs(step))


def _choices(override: Override) -> Dimension:
    sweep = override.value()
    found = sweep.list if isinstance(sweep, ChoiceSweep) else list(override.sweep_iterator())
    texts = tuple(Transformer.str(choice) for choice in found)
    values = tuple(_value(choice, text) for choice, text in zip(found, texts, strict=True))
    if not values or len(set(values)) < len(values):
        raise UserError(f"{override.input_line}: give one value or more, none twice (1 and true are one value)")
    return Dimension(CategoricalDistribution(values), texts)


def _value(choice: object, text: str) -> Value:
    if isinstance(choice, QuotedString):
        return choice.text
    return choice if choice is None or isinstance(choice, bool | int | float | str) else text
