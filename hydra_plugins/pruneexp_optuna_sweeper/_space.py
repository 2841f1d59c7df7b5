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

from pruneexp.errors import UserError, first_line

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
    if tags - {"log"} or (tags and not isinstance(sweep, IntervalSweep | RangeSweep)):
        raise UserError(f"{where}: the one tag is log, for intervals and for whole numbers at step 1")
    try:
        if isinstance(sweep, RangeSweep):
            low, high, step = _range(sweep)
        elif isinstance(sweep, IntervalSweep):
            low, high, step = _finite(sweep.start), _finite(sweep.end), None
        else:
            return _choices(override)
        if isinstance(low, int):
            return Dimension(IntDistribution(low, int(high), log=bool(tags), step=int(step or 1)))
        return Dimension(FloatDistribution(low, high, log=bool(tags), step=step))
    except ValueError as error:  # Optuna's own sentences, most of them
        raise UserError(f"{where}: {first_line(error)}") from error


def _finite(end: float | None) -> float:
    if end is None or not math.isfinite(end):
        raise ValueError(f"a range ends at finite numbers, not at {end}")
    return end


def _range(sweep: RangeSweep) -> tuple[float, float, float]:
    """Python's range: the stop is excluded. In decimals, as typed: binary fractions would miscount the steps."""
    ends = [_finite(number) for number in (sweep.start, sweep.stop, sweep.step)]
    kind = int if all(isinstance(number, int) for number in ends) else float
    start, stop, step = (Decimal(str(number)) for number in ends)
    count = math.ceil((stop - start) / step) if step else 0
    if count < 1:
        raise ValueError("this range holds no number, or no end of them")
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
