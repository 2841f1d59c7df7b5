"""Panels of lines over one axis: a colour for each of an order of things, dashes for another kind of the same.

Knows matplotlib and plain numbers, and nothing of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from analysis.drawing import ink, panels
from analysis.drawing.style import FAINT, Line, sequence, type_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Plotted(NamedTuple):
    """One line with its band, in the ``panel`` of this title; ``label`` gives its colour."""

    panel: str
    label: str
    dashed: bool
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class LineAxes(NamedTuple):
    """What the axes of all panels are of; dotted lines stand at ``across`` and ``upright``.

    Without ``ends`` y is as long as what is shown. ``strokes`` are the words for solid and for dashed lines, empty
    where there is one kind.
    """

    x: str
    y: str
    across: tuple[float, ...] = ()
    upright: tuple[float, ...] = ()
    ends: tuple[float, float] | None = None
    log: bool = False
    strokes: tuple[str, ...] = ()


def lined(title: str, lines: Sequence[Plotted], of: LineAxes, words: str) -> Figure:
    """A page with these lines in panels, which share their axes, the last line first; a legend below the last row."""
    shown = {panel: [line for line in reversed(lines) if line.panel == panel]
             for panel in dict.fromkeys(line.panel for line in lines)}  # fmt: skip
    looks = _looks(shown.values())
    entries = [*looks.items(), *((text, Line(FAINT, "", bool(place))) for place, text in enumerate(of.strokes))]
    labels, first = [label for label, _ in entries], None
    figure, page = ink.paper(title, len(shown), [labels], words, heading=5.4, between=6.4)
    for place, (panel, own) in enumerate(shown.items()):
        axes = figure.add_axes(page.box(place), sharex=first, sharey=first)
        first = first or axes
        wide = page.box(place)[2] * page.width
        figure.text(page.box(place)[0], page.over(place, 0.6), panel,
                    size=panels.fitted(panel, wide, type_size()))  # fmt: skip
        _panel(axes, own, of, looks)
        axes.tick_params(which="both", labelleft=place % page.columns == 0)
        if place % page.columns == 0:
            ink.name_y(axes, page, of.y)
        ink.below(axes, page, place, of.x, entries)
    return figure


def _looks(shown: Iterable[Sequence[Plotted]]) -> dict[str, Line]:
    """The look of each label, in the order in which panels have them, the longest panel first."""
    ordered = sorted(shown, key=len, reverse=True)
    labels = dict.fromkeys(line.label for own in ordered for line in own)
    return {label: look._replace(marker="") for label, look in zip(labels, sequence(len(labels)), strict=True)}


def _panel(axes: Axes, lines: Sequence[Plotted], of: LineAxes, looks: dict[str, Line]) -> None:
    if of.log:
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    for y in of.across:
        ink.dotted(axes, y, "black")
    for x in of.upright:
        ink.upright(axes, x, "black")
    for line in lines:
        look = looks[line.label]._replace(dashed=line.dashed)
        ink.band(axes, look, line.x, line.low, line.high)
        ink.curve(axes, look, line.x, line.y)
    axes.autoscale_view()
    if of.ends is not None:
        axes.set_ylim(*of.ends)
