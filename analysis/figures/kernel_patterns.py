"""Where kernels keep their weights, stage by stage of one pruned network, as in Liu et al. 2019, Figure 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import ink
from analysis.drawing.style import FAINT, INK, page_width, type_size
from analysis.paper import paper_numbers
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.statistics import selection
from analysis.statistics.one_budget import NO_LAYERS, OneBudget, one_budget
from pruneexp.errors import UserError
from pruneexp.summary.spread import Spread, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MADE_OF = "layers"

PAPER = "Liu et al. 2019, Figure 4"
#: Panels side by side, on narrow pages and on others.
_ACROSS, _NARROW = (3, 5), 5.0


class StagePattern(NamedTuple):
    """The layers of one size of maps and kernels: the share that is kept at each place, row by row, over seeds.

    ``pixels`` are those of a map that they give; 0 where it is the paper's pattern, of which only the shade is known.
    """

    stage: int
    pixels: int
    layers: tuple[str, ...]
    kept: tuple[tuple[Spread, ...], ...]


class KernelPatterns(NamedTuple):
    """``paper`` has the shades of the paper's, from 0 to 1."""

    of: OneBudget
    stages: tuple[StagePattern, ...]
    paper: tuple[StagePattern, ...]


def data(
    frame: pd.DataFrame,
    *,
    paper: Annotated[bool, "the shades of the paper's VGG-16 on CIFAR-10 below"] = False,
) -> KernelPatterns:
    """The stages of one point, or the means over the seeds of one budget; a kernel of one weight has no pattern.

    A stage is what has maps of one size, which follows from the FLOP and the weights of a layer.

    Raises:
        UserError: there is no point, there are several that differ in more than the seed, or none says where its
            kernels keep weights.
    """
    of = one_budget(frame, NO_LAYERS)
    known = frame[frame["layer.kernel"].notna()]
    if known.empty:
        raise UserError(
            "no layer of these points says where its kernels keep weights: they have no convolution of several weights "
            "in two dimensions, or were cut by an earlier version."
        )
    return KernelPatterns(of, _stages(known), _of_paper() if paper else ())


def _stages(rows: pd.DataFrame) -> tuple[StagePattern, ...]:
    """The stages in the order of the network."""
    pixels = (rows["layer.flop"] / (2.0 * rows["layer.weights_total"])).round().astype(int)
    shape = rows["layer.kernel"].map(lambda text: (text.count(";") + 1, len(text.partition(";")[0].split())))
    marked = rows.assign(pixels=pixels, shape=shape)
    found = sorted(selection.groups(marked, ("pixels", "shape")), key=lambda item: item[1]["place"].min())
    return tuple(_stage(number, int(key["pixels"]), same) for number, (key, same) in enumerate(found, start=1))


def _stage(number: int, pixels: int, same: pd.DataFrame) -> StagePattern:
    layers = tuple(same.sort_values("place")["layer.layer"].drop_duplicates())
    of_seeds = [_shares(rows) for _, rows in same.groupby("run_id")]
    kept = tuple(tuple(spread(values) for values in zip(*row, strict=True)) for row in zip(*of_seeds, strict=True))
    return StagePattern(number, pixels, layers, kept)


def _shares(rows: pd.DataFrame) -> list[list[float]]:
    """The share that is kept at each place, over all kernels of these layers."""
    counts = [[[int(each) for each in row.split()] for row in text.split(";")] for text in rows["layer.kernel"]]
    places = len(counts[0]) * len(counts[0][0])
    kernels = int(rows["layer.weights_total"].sum()) / places
    return [[sum(layer[y][x] for layer in counts) / kernels for x in range(len(counts[0][0]))]
            for y in range(len(counts[0]))]  # fmt: skip


def _of_paper() -> tuple[StagePattern, ...]:
    """Its shades; how they follow from shares is not said."""
    shades: dict[int, list[Spread]] = {}
    for number in paper_numbers("rethinking_fig4_kernel_pattern"):
        dark = 1.0 - number.value / 255.0
        shades.setdefault(int(number.row.split()[1]), []).append(Spread(dark, None, dark, dark, 1))
    return tuple(StagePattern(stage, 0, (), tuple(tuple(nine[at : at + 3]) for at in (0, 3, 6)))
                 for stage, nine in shades.items())  # fmt: skip


def rows(made: KernelPatterns) -> Iterator[CsvRow]:
    """One place of the kernels of a stage; of the paper's, the shade from 0, white, to 1, black."""
    of_paper = {"data": "cifar10", "model": "vgg16_cifar", "conditions": "", "budget": ""}
    for stage, y, x, kept in _places((*made.stages, *made.paper)):
        ours = stage.pixels > 0
        yield {
            "source": "runs" if ours else f"{PAPER} (digitised)",
            **(made.of.columns if ours else of_paper),
            "stage": stage.stage,
            "pixels": stage.pixels or None,
            "layers": " ".join(stage.layers),
            "row": y,
            "column": x,
            **spread_columns("kept", kept),
            "n": kept.n if ours else None,
            "runs": made.of.run_ids if ours else "",
        }


def _places(stages: Sequence[StagePattern]) -> Iterator[tuple[StagePattern, int, int, Spread]]:
    for stage in stages:
        for y, row in enumerate(stage.kept):
            for x, kept in enumerate(row):
                yield stage, y, x, kept


def caption(made: KernelPatterns) -> str:
    how = f"{made.of.how('criterion', 'schedule', 'mode')}, at {made.of.budget}, {made.of.over}"
    parts = [
        f"Per cent of the weights that are kept at each place of the kernels, {how}.",
        "A stage has maps of one size; the darker, the more is kept, on one scale for all stages.",
    ]
    if made.paper:
        parts.append(f"Below: {PAPER}, VGG-16 on CIFAR-10, read off the image, which gives shades and no shares.")
    return " ".join(parts)


def draw(made: KernelPatterns) -> Figure:
    across = _ACROSS[page_width() > _NARROW]
    columns = min(across, max(len(made.stages), len(made.paper)))
    shown = [*made.stages, *[None] * (-len(made.stages) % columns if made.paper else 0), *made.paper]
    size = type_size()
    wide = (page_width() - 7.5 * size / 72.0) / columns - 1.7 * size / 72.0
    figure, page = ink.paper(
        made.of.subject, len(shown), [], caption(made), heading=5.6, between=3.5, columns=columns, height=wide
    )
    most = max(kept.mean for _, _, _, kept in _places(made.stages)) or 1.0
    for place, stage in enumerate(shown):
        if stage is not None:
            axes = figure.add_axes(page.box(place))
            _panel(axes, stage, most if stage.pixels else 1.0)
            title = _title(stage) if stage.pixels else f"the paper's stage {stage.stage}"
            figure.text(page.box(place)[0], page.over(place, 0.6), title, color=FAINT, size=0.9 * size)
    return figure


def _title(stage: StagePattern) -> str:
    side = round(stage.pixels**0.5)
    return f"stage {stage.stage}, " + (f"{side} × {side}" if side**2 == stage.pixels else f"{stage.pixels} px")


def _panel(axes: Axes, stage: StagePattern, most: float) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("kept", ["white", INK])
    axes.imshow([[kept.mean for kept in row] for row in stage.kept], cmap=shades, vmin=0.0, vmax=most)
    for side, count in (("x", len(stage.kept[0])), ("y", len(stage.kept))):
        axes.set(**{f"{side}ticks": range(count), f"{side}ticklabels": range(1, count + 1)})
    axes.tick_params(length=0.0, labelcolor=FAINT)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(True)
    if not stage.pixels:
        return
    for y, row in enumerate(stage.kept):
        for x, kept in enumerate(row):
            colour = "white" if kept.mean > 0.5 * most else INK
            small = min(1.0, 3.0 / len(row)) * 0.9 * type_size()
            axes.text(x, y, f"{100.0 * kept.mean:.1f}", ha="center", va="center", color=colour, size=small)
