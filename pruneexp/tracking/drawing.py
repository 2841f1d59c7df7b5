"""A trade-off curve as a small SVG, for the description of its run; knows neither runs nor what the numbers mean.

Only publications draw with matplotlib; here a polyline, its axes and a few words are enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 30, 44
_INK, _GRID = "#444", "#ddd"


class Line(NamedTuple):
    """One curve: ``points`` are (density, value)."""

    label: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def tradeoff_svg(lines: Sequence[Line], value: str) -> str:
    """Curves over compression (1 / density, logarithmic); ``value`` names the vertical axis.

    Raises:
        ValueError: there is no point to draw, or a density that is not above zero.
    """
    points = [point for line in lines for point in line.points]
    if not points or min(density for density, _ in points) <= 0:
        raise ValueError(f"a curve needs points at densities above 0, got {points}")
    rates = [1 / density for density, _ in points]
    heights = [height for _, height in points]
    across = _Scale(math.log(min(rates)), math.log(max(rates)), _LEFT, _WIDTH - _RIGHT)
    up = _Scale(min(heights), max(heights), _HEIGHT - _BOTTOM, _TOP)
    return "\n".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
                f'height="{_HEIGHT}" font-family="sans-serif" font-size="12" fill="{_INK}">'
            ),
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            *_axes(across, up, sorted(set(rates)), heights, value),
            *(part for place, line in enumerate(lines) for part in _curve(across, up, line, place)),
            "</svg>",
        )
    )


class _Scale(NamedTuple):
    """Maps values to pixels; a single value lies in the middle."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.begin + share * (self.end - self.begin), 1)


def _axes(across: _Scale, up: _Scale, rates: Sequence[float], heights: Sequence[float], value: str) -> Iterator[str]:
    for height in _ticks(min(heights), max(heights)):
        y = up.at(height)
        yield f'<path d="M{_LEFT} {y}H{_WIDTH - _RIGHT}" stroke="{_GRID}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{height:g}</text>'
    last = -math.inf
    for rate in rates:
        x = across.at(math.log(rate))
        if x - last >= 34:  # numbers of neighbours must not touch
            last = x
            yield f'<path d="M{x} {_HEIGHT - _BOTTOM}v4" stroke="{_INK}"/>'
            yield f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 17}" text-anchor="middle">{rate:.3g}×</text>'
    yield f'<path d="M{_LEFT} {_TOP}V{_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}" fill="none" stroke="{_INK}"/>'
    yield f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">compression</text>'
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    yield f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{escape(value)}</text>'


def _curve(across: _Scale, up: _Scale, line: Line, place: int) -> Iterator[str]:
    corners = [(across.at(math.log(1 / density)), up.at(height)) for density, height in sorted(line.points)]
    dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
    path = " ".join(f"{x},{y}" for x, y in corners)
    yield f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"{dashes}/>'
    yield from (f'<circle cx="{x}" cy="{y}" r="3" fill="{line.colour}"/>' for x, y in corners)
    x = _LEFT + 8 + 190 * place
    yield f'<path d="M{x} 15h22" stroke="{line.colour}" stroke-width="2"{dashes}/>'
    yield f'<text x="{x + 28}" y="19">{escape(line.label)}</text>'


def _ticks(low: float, high: float) -> Sequence[float]:
    """Four to eight round numbers within a range, or its only value."""
    if high <= low:
        return (low,)
    step = 10.0 ** math.floor(math.log10(high - low))
    step = next(part * step for part in (1.0, 0.5, 0.2, 0.1) if (high - low) / (part * step) >= 4)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]
