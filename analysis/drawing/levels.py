"""The look of a curve by what it is: a colour for each level of one thing, a marker for each level of another.

Knows levels by their words alone. What has no level is drawn in grey where others have one.
"""

from __future__ import annotations

from collections.abc import Sequence

from analysis.drawing.style import FAINT, MARKERS, Line, level_colours


def line(colours: Sequence[str], styles: Sequence[str], colour: str, style: str, *, dashed: bool) -> Line:
    """The line of a curve; ``colours`` and ``styles`` are all levels, ``colour`` and ``style`` those of the curve.

    Where nothing is told by markers they follow the colours, so that a print in grey tells curves apart.
    """
    found = _colour(colours, colour)
    marker = _marker(styles, style) if styles else _marker(colours, colour)
    return Line(found, marker, dashed, filled=not dashed)


def legend(colours: Sequence[str], styles: Sequence[str]) -> list[tuple[str, Line]]:
    """The entries that say what colours and markers stand for."""
    of_colours = [(name, Line(_colour(colours, name), "" if styles else _marker(colours, name))) for name in colours]
    return of_colours + [(name, Line(FAINT, _marker(styles, name), stroked=False)) for name in styles]


def strokes(befores: Sequence[bool], names: tuple[str, str], *, alone: bool) -> list[tuple[str, Line]]:
    """The entries for dashes and hollow marks, networks before retraining, and for those after it, by their ``names``.

    ``alone`` says that nothing else is told, so that they have the colour of the curves.
    """
    colour = _colour((), "") if alone else FAINT
    found = sorted(set(befores), reverse=True)
    return [(names[not before], Line(colour, "o", before, filled=not before)) for before in found]


def _colour(levels: Sequence[str], level: str) -> str:
    if not levels:
        return level_colours(1)[0]
    return level_colours(len(levels))[levels.index(level)] if level in levels else FAINT


def _marker(levels: Sequence[str], level: str) -> str:
    if not levels:
        return MARKERS[0]
    return MARKERS[levels.index(level) % len(MARKERS)] if level in levels else "."
