"""What figures put on paper alike: a page with its title and its words, and curves with their bands.

Knows matplotlib and plain numbers, and nothing of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from analysis.drawing import panels
from analysis.drawing.panels import SMALL, Page, fitted
from analysis.drawing.style import FAINT, INK, Line, page_width, panels_across, type_size
from pruneexp.summary.spread import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

#: Where a number without limit is drawn all the same, on an axis that is far shorter.
_FAR = 1e15


def paper(
    title: str, count: int, legends: Sequence[Sequence[str]], words: str, *, heading: float, between: float,
    columns: int = 0, height: float = 0.0,
) -> tuple[Figure, Page]:  # fmt: skip
    """A figure with its title and the words below its panels, and where so many panels stand on it.

    They stand side by side as far as they fit, or in so many ``columns``. ``heading`` and ``between`` are as
    ``panels.page`` has them.
    """
    from matplotlib.figure import Figure

    columns = columns or min(count, panels_across())
    page = panels.page(
        width=page_width(), size=type_size(), columns=columns, count=count,
        height=height or panels.height(page_width(), columns), legends=legends, words=words, heading=heading,
        between=between,
    )  # fmt: skip
    made = Figure(figsize=(page.width, page.total))
    top = 1.0 - 0.9 * page.em / page.total
    wide = 0.87 * page.width * (1.0 - page.left)  # of bold type
    made.text(page.left, top, title, va="top", size=fitted(title, wide, 1.2 * type_size()), weight="bold")
    below = "\n".join(page.words)
    made.text(page.left, 0.8 * page.em / page.total, below, size=SMALL * type_size(), color=FAINT, linespacing=1.4)
    return made, page


def drawn(
    look: Line, x: Sequence[float] = (), y: Sequence[float] = (), *, label: str = "", markevery: slice | None = None
) -> Line2D:
    """The ink of one curve, or of its entry in a legend where it has no points; widths follow the size of the type."""
    from matplotlib.lines import Line2D

    unit = type_size() / 9.0
    return Line2D(
        list(x),
        list(y),
        color=look.colour,
        linestyle=_stroke(look),
        linewidth=1.5 * unit,
        marker=look.marker or None,
        markersize=5.0 * unit,
        markeredgewidth=1.2 * unit,
        markerfacecolor=look.colour if look.filled else "white",
        markevery=markevery,
        label=label,
        zorder=3.0,
    )


def panel(figure: Figure, page: Page, place: int, y: str) -> Axes:
    """The axes of a panel; what y is of, and its numbers, stand at the first of a row."""
    axes, first = figure.add_axes(page.box(place)), place % page.columns == 0
    axes.tick_params(labelleft=first)
    if first:
        name_y(axes, page, y)
    return axes


def legend(
    axes: Axes, page: Page, entries: Sequence[tuple[str, Line]], share: int = 1, size: float | None = None
) -> None:
    """The legend below the axis of a panel, across one of ``share`` equal parts of the page; none without entries."""
    if not entries:
        return
    handles, names = [drawn(line, label=name) for name, line in entries], [name for name, _ in entries]
    axes.legend(handles=handles, ncols=page.entries(names, share), fontsize=size, **page.legend(page.height))


def below(axes: Axes, page: Page, place: int, x: str, entries: Sequence[tuple[str, Line]]) -> None:
    """What x is of, where no other panel stands below; and below the first panel of the last row the legend."""
    if place + page.columns >= page.panels:
        axes.set_xlabel(x)
    if place == (page.rows - 1) * page.columns:
        legend(axes, page, entries)


def name_y(axes: Axes, page: Page, text: str) -> None:
    """What the y axis is of, along a panel of this page."""
    axes.set_ylabel(text, size=fitted(text, page.height, type_size()))


def band(axes: Axes, look: Line, x: Sequence[float], low: Sequence[float], high: Sequence[float]) -> None:
    """From the lowest to the highest, behind the curve of this look; marks at a single x have lines instead."""
    if len(set(x)) == 1:
        ends = list(map(_near, low)), list(map(_near, high))
        axes.vlines(x, *ends, color=look.colour, alpha=0.4, linewidth=1.5 * type_size() / 9.0, zorder=2.0)
        return
    axes.fill_between(x, list(map(_near, low)), list(map(_near, high)), color=look.colour, alpha=0.1, linewidth=0.0,
                      zorder=2.0)  # fmt: skip


def curve(axes: Axes, look: Line, x: Sequence[float], y: Sequence[float], markevery: slice | None = None) -> None:
    """One line with its markers."""
    axes.add_line(drawn(look, x, list(map(_near, y)), markevery=markevery))


def means(axes: Axes, look: Line, x: Sequence[float], y: Sequence[Spread]) -> None:
    """The line of the means, and where some are of several seeds the band from the lowest to the highest."""
    if any(of.n > 1 for of in y):
        band(axes, look, x, [of.low for of in y], [of.high for of in y])
    curve(axes, look, x, [of.mean for of in y])


def dotted(axes: Axes, y: float, colour: str) -> None:
    """A line across, at a value to compare with."""
    axes.axhline(y, color=colour, linewidth=1.1 * type_size() / 9.0, linestyle=(0, (1, 2)), zorder=1.0)


def upright(axes: Axes, x: float, colour: str) -> None:
    """The same, from bottom to top."""
    axes.axvline(x, color=colour, linewidth=1.1 * type_size() / 9.0, linestyle=(0, (1, 2)), zorder=1.0)


def at_edge(axes: Axes, look: Line, x: Sequence[float], shares: Sequence[float]) -> None:
    """Triangles for what lies beyond the lower edge of the picture, at shares of its height."""
    axes.plot(x, shares, linestyle="none", marker="v", markersize=4.0 * type_size() / 9.0, color=look.colour,
              transform=axes.get_xaxis_transform(), zorder=4.0)  # fmt: skip


def crossed(axes: Axes, x: Sequence[float], y: Sequence[float], ends: tuple[float, float]) -> None:
    """A cross over each mark that says less than it seems to, at the edge where it lies beyond the ends of the axis."""
    if not x:
        return
    at = [max(ends[0], min(ends[1], value)) for value in y]
    axes.plot(x, at, linestyle="none", marker="x", markersize=8.0 * type_size() / 9.0, color=INK, zorder=5.0)


def _stroke(look: Line) -> Literal["none", "solid"] | tuple[float, Sequence[float]]:
    if not look.stroked:
        return "none"
    return (0.0, (4.0, 2.0)) if look.dashed else "solid"


def _near(value: float) -> float:
    return max(-_FAR, min(_FAR, value))
