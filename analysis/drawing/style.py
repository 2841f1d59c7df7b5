"""House style of every figure: type, colours, the paper's lines, and how a picture is saved.

Knows matplotlib, which it loads when something is drawn, and nothing of the data. Saved twice, a figure gives the same
bytes: no dates, fixed identifiers.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from pruneexp.summary import palette

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#22262b"
FAINT = "#8a9099"
GRID = "#e6e8eb"

#: DejaVu Sans comes with matplotlib, so the picture does not depend on the fonts of a machine.
RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.labelsize": 9.5,
    "axes.titlesize": 11.0,
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
    "legend.fontsize": 8.5,
    "text.color": INK,
    "figure.dpi": 100.0,
    "savefig.dpi": 160.0,
    "svg.hashsalt": "pruneexp",
    "svg.fonttype": "path",
    "path.simplify": False,
}


class Line(NamedTuple):
    """How one curve is drawn; ``filled`` tells a full marker from a hollow one."""

    colour: str
    marker: str
    dashed: bool
    filled: bool


_MARKERS = {"l2": "o", "l1": "^", "none": "s", "l1_then_l2": "D"}


def line(reg: str, moment: str, variant: int = 0) -> Line:
    """The line of a curve; further ``variant`` curves of the same kind are paler, with another marker."""
    found = Line(palette.colour(reg, moment), _MARKERS.get(reg, "P"), moment == "before", moment == "rounds")
    if not variant:
        return found
    marker = ("v", "<", ">", "d", "h", "p", "X")[(variant - 1) % 7]
    return found._replace(colour=_paler(found.colour, 1.0 - 0.75**variant), marker=marker)


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


def _paler(colour: str, share: float) -> str:
    from matplotlib.colors import to_rgb

    hue, light, saturation = colorsys.rgb_to_hls(*to_rgb(colour))
    red, green, blue = colorsys.hls_to_rgb(hue, light + (0.92 - light) * share, saturation)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


@contextmanager
def applied() -> Iterator[None]:
    """Draw and save inside this, so that a user's own matplotlibrc changes nothing."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, RC))
        yield


def picture(figure: Figure, suffix: Literal["png", "svg"], about: Mapping[str, str]) -> bytes:
    """The bytes of the picture's file; ``about`` holds the texts Title, Description and Source that it carries."""
    undated = {"Date": None, "Creator": "pruneexp"} if suffix == "svg" else {"Software": "pruneexp"}
    drawn = io.BytesIO()
    with applied():
        figure.savefig(drawn, format=suffix, metadata={**undated, **about})
    return drawn.getvalue()
