"""House style of every figure: type, sizes, lines, and how a picture is saved.

Knows matplotlib, which it loads when something is drawn, and nothing of the data. Saved twice, a figure gives the same
bytes: no dates, fixed identifiers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NamedTuple, Protocol, cast

from pruneexp.errors import UserError, guess
from pruneexp.summary import palette

INK = "#22262b"
FAINT = "#666d76"
GRID = "#e6e8eb"

Width = Literal["column", "page", "slide"]


class Size(NamedTuple):
    """A page to draw on: its width in inches, its type in points, dots per inch, and the most panels side by side."""

    width: float
    type: float
    dpi: float
    across: int


SIZES: Mapping[Width, Size] = {
    "column": Size(3.3, 7.0, 300.0, 1),
    "page": Size(7.0, 9.0, 160.0, 3),
    "slide": Size(10.0, 14.0, 160.0, 3),
}
FORMATS = ("png", "svg", "pdf")

#: DejaVu Sans comes with matplotlib, so the picture does not depend on the fonts of a machine.
RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "axes.labelsize": "medium",
    "axes.titlesize": "large",
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "legend.frameon": False,
    "legend.fontsize": "medium",
    "text.color": INK,
    "figure.dpi": 100.0,
    "svg.hashsalt": "pruneexp",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "path.simplify": False,
}


class Drawing(Protocol):
    """A figure of matplotlib's, as far as saving it goes."""

    def savefig(self, fname: Any, **kwargs: Any) -> None: ...


class Line(NamedTuple):
    """How one curve is drawn; ``filled`` tells a full marker from a hollow one, ``stroked`` whether there is a line.

    An empty ``marker`` is none.
    """

    colour: str
    marker: str
    dashed: bool = False
    filled: bool = True
    stroked: bool = True


#: Markers of levels, in this order: neighbours differ in outline.
MARKERS = ("o", "^", "s", "D", "v", "P", "<", "X", ">", "p", "h", "*")
_PAPER_MARKERS = {"l2": "o", "l1": "^"}


def paper_line(reg: str, moment: str) -> Line:
    """The line of a curve of Han et al. 2015, Figure 5; the moment is before or after retraining, or after rounds."""
    marker = _PAPER_MARKERS.get(reg, "s")
    return Line(palette.colour(reg, moment), marker, moment == "before", moment == "rounds")


def level_colours(count: int) -> tuple[str, ...]:
    """Colours for so many levels: those of the palette where they suffice."""
    return palette.LEVELS[:count] if count <= len(palette.LEVELS) else tuple(one.colour for one in sequence(count))


def sequence(count: int) -> tuple[Line, ...]:
    """Lines for things in an order, from dark to light; neighbours differ in marker too, for any kind of sight.

    Viridis keeps its order in grey and for the colour-blind; its pale end is left out, being lost on white.
    """
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    shades = mpl.colormaps["viridis"]([0.88 * place / max(1, count - 1) for place in range(count)])
    return tuple(
        Line(to_hex(shade), "os^Dv"[place % 5], False, place // 5 % 2 == 0) for place, shade in enumerate(shades)
    )


def page_width() -> float:
    """Inches across the page that is drawn on."""
    import matplotlib as mpl

    return float(mpl.rcParams["figure.figsize"][0])


def type_size() -> float:
    """The size of the type on the page that is drawn on, in points."""
    import matplotlib as mpl

    return float(mpl.rcParams["font.size"])


def panels_across() -> int:
    """How many panels fit side by side on the page that is drawn on."""
    return next((size.across for size in SIZES.values() if size.width == page_width()), SIZES["page"].across)


@contextmanager
def applied(width: Width = "page") -> Iterator[None]:
    """Draw and save inside this, so that a user's own matplotlibrc changes nothing; ``Figure()`` is of this width."""
    import matplotlib as mpl

    size = SIZES[width]
    page = {"figure.figsize": (size.width, 0.62 * size.width), "font.size": size.type, "savefig.dpi": size.dpi}
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, {**RC, **page}))
        yield


def pictures(
    figure: Drawing,
    about: Mapping[str, str],
    *,
    width: Annotated[Width, "of the picture: 3.3, 7 or 10 inches, with type to read at that size"] = "page",
    format: Annotated[str, "of the picture: any of png, svg and pdf, with commas between them"] = "png,svg",  # noqa: A002
) -> dict[str, bytes]:
    """The picture's files by their suffix; ``about`` holds the texts Title, Description and Source that they carry.

    ``width`` is that which the figure was drawn for (``applied``).

    Raises:
        UserError: there is no such format.
    """
    with applied(width):
        return {f".{suffix}": _saved(figure, suffix, about) for suffix in formats(format)}


def formats(text: str) -> tuple[str, ...]:
    """The formats that a text names, each once.

    Raises:
        UserError: there is no such format.
    """
    asked = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for one in asked:
        if one not in FORMATS:
            raise UserError(f"--format {one}: no picture is made in this format{guess(one, FORMATS)}; it may be any of "
                            f"{', '.join(FORMATS)}.")  # fmt: skip
    return asked


def _saved(figure: Drawing, suffix: str, about: Mapping[str, str]) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=suffix, metadata=cast(Any, _METADATA[suffix](about)))
    return content.getvalue()


def _of_pdf(about: Mapping[str, str]) -> dict[str, str | None]:
    """PDF has names of its own for these texts; without a date, two makings give the same bytes."""
    texts = {"Title": about["Title"], "Subject": about["Description"], "Keywords": about["Source"]}
    return {**texts, "Creator": "pruneexp", "Producer": None, "CreationDate": None}


_METADATA: Mapping[str, Any] = {
    "png": lambda about: {"Software": "pruneexp", **about},
    "svg": lambda about: {"Date": None, "Creator": "pruneexp", **about},
    "pdf": _of_pdf,
}
