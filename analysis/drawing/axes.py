"""Axes of trade-offs: a scale that gives room to what happens above 90 %, and where its ticks stand.

Knows matplotlib's axes and plain numbers, and nothing of the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from analysis.drawing import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: ``remaining``: the logarithm of what is left of 100 %.
Scale = Literal["linear", "log", "remaining"]
#: Ticks of the remaining scale, which are about as far from each other, and the compression at each.
REMAINING = (0.0, 50.0, 80.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9)
RATES = (2, 3, 5, 10, 20, 50)  # on the linear axis
_LEAST = 1e-3  # per cent left, of a network without any parameter


class Span(NamedTuple):
    """How far an axis reaches, and its scale."""

    low: float
    high: float
    scale: Scale


def span(values: Sequence[float], scale: Scale, asked: tuple[float, float] | None = None) -> Span:
    """An axis on which all values stand, or the one that is asked for."""
    low, high = asked or (min(values), max(values))
    if asked and not (scale == "log" and low <= 0.0):
        return Span(low, high, scale)
    if scale == "remaining":
        left = max((tick for tick in REMAINING if tick < low), default=0.0)
        return Span(left, 100.0 - 0.75 * max(_LEAST, 100.0 - max(high, 50.0)), scale)
    if scale == "log":
        positive = [value for value in values if value > 0.0] or [1.0]
        return Span(min(positive) / 1.25, max(positive) * 1.25, scale)
    margin = 0.04 * (high - low or abs(high) or 1.0)
    return Span(low - margin, high + margin, scale)


def put_x(axes: Axes, reach: Span) -> None:
    """Give an axis its scale, ends and ticks."""
    if reach.scale == "remaining":
        axes.set_xscale("function", functions=_FUNCTIONS)
        _label(axes, reach, {tick: f"{tick:g}" for tick in REMAINING})
    elif reach.scale == "log":
        axes.set_xscale("log")
    axes.set_xlim(reach.low, reach.high)


def put_y(axes: Axes, text: Callable[[float], str] | None) -> None:
    """Few ticks at round numbers; ``text`` puts changes, whose 0 is a line. The ends of the axis are known by then."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 5, 10)))
    if text is not None:
        axes.axhline(0.0, color=style.INK, linewidth=0.8, zorder=1.0)
        whole = all(float(tick).is_integer() for tick in axes.get_yticks())
        axes.yaxis.set_major_formatter(lambda value, _: text(value).removesuffix(".0" if whole else ""))


def put_numbers(axes: Axes, reach: Span) -> None:
    """Ticks of large numbers as people say them, ``20k`` or ``1.5M``, others plain; few of them on a narrow page."""
    from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator, NullFormatter

    axes.xaxis.set_major_formatter(EngFormatter(sep="") if reach.high >= 1e3 else lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    if reach.scale == "log":
        axes.xaxis.set_major_locator(FixedLocator(_decimal(reach)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4 if style.panels_across() == 1 else 6))


def put_compression(axes: Axes, reach: Span) -> None:
    """A second axis on top of one in per cent pruned: how many times smaller the network is."""
    top = axes.twiny()
    put_x(top, reach)
    ticks = REMAINING[1:] if reach.scale == "remaining" else [100.0 * (1.0 - 1.0 / rate) for rate in RATES]
    _label(top, reach, {tick: f"{100.0 / (100.0 - tick):.3g}×" for tick in ticks})
    top.grid(visible=False)
    top.tick_params(colors=style.FAINT, labelsize="small", length=3.0)
    top.set_zorder(axes.get_zorder() - 1)
    for side in top.spines.values():
        side.set_visible(False)


def _label(axes: Axes, reach: Span, ticks: Mapping[float, str]) -> None:
    """Put texts at ticks, without those that would touch the text before them on a narrow panel."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    place = _remaining if reach.scale == "remaining" else float
    inches = axes.get_position().width * figure.get_figwidth() / (place(reach.high) - place(reach.low))
    em, free, shown = style.type_size() / 72.0, -math.inf, []
    for tick in _within(reach, list(ticks)):
        at, half = inches * place(tick), em * (0.3 * len(ticks[tick]) + 0.2)
        if at - half >= free:
            shown.append(tick)
            free = at + half
    axes.set_xticks(shown, [ticks[tick] for tick in shown])
    axes.minorticks_off()


def _within(reach: Span, ticks: Sequence[float]) -> list[float]:
    return [tick for tick in ticks if reach.low - 1e-9 <= tick <= reach.high + 1e-9]


def _decimal(reach: Span) -> list[float]:
    """Ticks of a logarithmic axis: powers of ten, or as many steps between them as give three of them."""
    decades = range(math.floor(math.log10(reach.low)), math.ceil(math.log10(reach.high)) + 1)
    found: list[float] = []
    for steps in ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)):
        found = found if len(found) > 2 else _within(reach, [step * 10.0**each for each in decades for step in steps])
    return found


def _remaining(pruned: Any) -> Any:
    import numpy as np

    return -np.log10(np.maximum(100.0 - np.asarray(pruned, dtype=float), _LEAST))


def _pruned(place: Any) -> Any:
    import numpy as np

    return 100.0 - np.power(10.0, -np.asarray(place, dtype=float))


_FUNCTIONS = (_remaining, _pruned)
