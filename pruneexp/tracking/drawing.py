"""A trade-off curve as a small SVG, for the description of its run; knows neither runs nor what the numbers mean.

The table beside it has the numbers: lines, and the ends of both axes, are enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from string import Template
from typing import NamedTuple

#: Pixels; also within the frame.
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 530, 30, 250
_FRAME = Template("""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 300" width="560" height="300" font-family="sans-serif" \
font-size="12" fill="#444">
<rect width="560" height="300" fill="white"/>
<path d="M60 30V250H530" fill="none" stroke="#444"/>
<text x="54" y="34" text-anchor="end">$top</text>
<text x="54" y="254" text-anchor="end">$bottom</text>
<text x="60" y="268" text-anchor="middle">$left×</text>
<text x="530" y="268" text-anchor="middle">$right×</text>
<text x="295" y="288" text-anchor="middle">compression</text>
<text x="14" y="140" text-anchor="middle" transform="rotate(-90 14 140)">$value</text>
$lines
</svg>""")


class Polyline(NamedTuple):
    """One curve: ``points`` are (density, value)."""

    label: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def tradeoff_svg(lines: Sequence[Polyline], value: str) -> str:
    """Curves over compression (1 / density, logarithmic); ``value`` names the vertical axis.

    Raises:
        ValueError: there is no point to draw, or a density that is not above zero.
    """
    points = [point for line in lines for point in line.points]
    if not points or min(density for density, _ in points) <= 0:
        raise ValueError(f"a curve needs points at densities above 0, got {points}")
    rates, heights = [1 / density for density, _ in points], [height for _, height in points]
    left, right, bottom, top = min(rates), max(rates), min(heights), max(heights)

    def corner(density: float, height: float) -> tuple[float, float]:
        across = _share(-math.log(density), math.log(left), math.log(right))
        return round(_LEFT + across * (_RIGHT - _LEFT), 1), round(
            _BOTTOM - _share(height, bottom, top) * (_BOTTOM - _TOP), 1
        )

    drawn = (part for place, line in enumerate(lines)
             for part in _curve([corner(*point) for point in sorted(line.points)], line, place))  # fmt: skip
    numbers = {"left": left, "right": right, "bottom": bottom, "top": top}
    texts = {name: f"{number:.3g}" for name, number in numbers.items()}
    return _FRAME.substitute(texts, value=escape(value), lines="\n".join(drawn))


def _share(value: float, low: float, high: float) -> float:
    """Where a value lies between two others; a single one lies in the middle."""
    return (value - low) / (high - low) if high > low else 0.5


def _curve(corners: Sequence[tuple[float, float]], line: Polyline, place: int) -> Iterator[str]:
    """Line, marks, and the entry of the legend above."""
    stroke = f'stroke="{line.colour}" stroke-width="2"' + (' stroke-dasharray="5 4"' if line.dashed else "")
    path = " ".join(f"{x},{y}" for x, y in corners)
    yield f'<polyline points="{path}" fill="none" {stroke}/>'
    yield from (f'<circle cx="{x}" cy="{y}" r="3" fill="{line.colour}"/>' for x, y in corners)
    yield f'<path d="M{_LEFT + 190 * place} 15h22" {stroke}/>'
    yield f'<text x="{_LEFT + 28 + 190 * place}" y="19">{escape(line.label)}</text>'
