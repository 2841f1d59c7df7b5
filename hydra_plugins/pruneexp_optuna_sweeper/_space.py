"""The ranges of a sweep, read from its overrides and checked. Knows Hydra's grammar; knows nothing of Optuna.

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

from pruneexp.errors import UserError

Value = bool | int | float | str | None


@dataclass(frozen=True)
class Numbers:
    """From ``low`` to ``high``, both included; whole where both are ``int``, else on a grid where there is a step."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int)

    def exact(self, value: Value) -> Value:
        """The nearest number of the grid as it would be typed: 0.3, not 0.30000000000000004."""
        if self.step is None or not isinstance(value, float):
            return value
        low, step = Decimal(str(self.low)), Decimal(str(self.step))
        return float(low + round((Decimal(value) - low) / step) * step)

    def text(self, value: Value) -> str:
        return repr(self.exact(value))


@dataclass(frozen=True)
class Choices:
    """``texts`` are the values as the command line spells them."""

    values: tuple[Value, ...]
    texts: tuple[str, ...]

    def exact(self, value: Value) -> Value:
        return value

    def text(self, value: Value) -> str:
        return self.texts[self.values.index(value)]


Dimension = Numbers | Choices


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
    made: Dimension
    match override.value():
        case IntervalSweep() as interval:
            made = _interval(interval, override.input_line)
        case RangeSweep() as numbers:
            made = _range(numbers, override.input_line)
        case _:
            made = _choices(override)
    tags: set[str] = getattr(override.value(), "tags", set())
    if not tags:
        return made
    if tags != {"log"} or not isinstance(made, Numbers) or made.step != (1 if made.whole else None):
        raise UserError(f"{override.input_line}: the one tag is log, for intervals and for whole numbers at step 1")
    if made.low <= 0:
        raise UserError(f"{override.input_line}: on a log scale the lower end is above 0")
    return made


def _interval(sweep: IntervalSweep, where: str | None) -> Numbers:
    low, high = sweep.start, sweep.end
    if low is None or high is None or not -math.inf < low < high < math.inf:
        raise UserError(f"{where}: the upper end of an interval is a finite number above the lower one")
    return Numbers(low, high, 1 if isinstance(low, int) else None, "log" in sweep.tags)


def _range(sweep: RangeSweep, where: str | None) -> Numbers:
    """Python's range: the stop is excluded. In decimals, as typed: binary fractions would miscount the steps."""
    kind = int if all(isinstance(x, int) for x in (sweep.start, sweep.stop, sweep.step)) else float
    start, stop, step = (Decimal(str(x)) for x in (sweep.start, sweep.stop, sweep.step))
    count = math.ceil((stop - start) / step) if step and (stop - start).is_finite() else 0
    if count < 1:
        raise UserError(f"{where}: this range holds no number, or no end of them")
    low, high = sorted((start, start + (count - 1) * step))
    return Numbers(kind(low), kind(high), kind(abs(step)), "log" in sweep.tags)


def _choices(override: Override) -> Choices:
    sweep = override.value()
    found = sweep.list if isinstance(sweep, ChoiceSweep) else list(override.sweep_iterator())
    texts = tuple(Transformer.str(choice) for choice in found)
    values = tuple(_value(choice, text) for choice, text in zip(found, texts, strict=True))
    if not values or len(set(values)) < len(values):
        raise UserError(f"{override.input_line}: give one value or more, none twice (1 and true are one value)")
    return Choices(values, texts)


def _value(choice: object, text: str) -> Value:
    if isinstance(choice, QuotedString):
        return choice.text
    return choice if choice is None or isinstance(choice, bool | int | float | str) else text
