"""The curves of papers as read off their images, beside which ours are drawn.

Those of Han et al. 2015, Figures 5 and 6, are of AlexNet, those of Liu et al. 2019 of VGG-16 on CIFAR-10 (Figure 3) and
of VGG-19 on CIFAR-100 (Figure 5).

Knows neither how a curve is drawn nor which of ours stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from analysis.paper import paper_numbers
from analysis.statistics.layer_curves import Panel
from pruneexp.schema import TOP1, TOP5, Metric

#: What is pruned as a whole.
Unit = Literal["channels", "weights"]
FIGURE_5, FIGURE_6 = (f"Han et al. 2015, Figure {number}" for number in (5, 6))
#: The curves of Figure 5, by (regulariser, moment).
_TRADEOFFS: Mapping[str, tuple[str, str]] = {
    "L2 w/o retrain": ("l2", "before"),
    "L1 w/o retrain": ("l1", "before"),
    "L1 w/ retrain": ("l1", "after"),
    "L2 w/ retrain": ("l2", "after"),
    "L2 w/ iterative prune and retrain": ("l2", "rounds"),
}


class PaperTradeoff(NamedTuple):
    """A curve of Figure 5, of a (regulariser, moment): (percent pruned, points of change)."""

    label: str
    look: tuple[str, str]
    marks: tuple[tuple[float, float], ...]


class PaperSensitivity(NamedTuple):
    """A layer of Figure 6: (percent of it pruned, points of change)."""

    layer: str
    panel: Panel
    marks: tuple[tuple[float, float], ...]


class EfficiencyFigure(NamedTuple):
    """A figure of error against parameters: its title, the file of its numbers, and the network by its name here."""

    title: str
    file: str
    model: str
    data: str


DISCOVERED = EfficiencyFigure("Liu et al. 2019, Figure 3", "rethinking_fig3_uniform_vs_auto", "vgg16_cifar", "cifar10")
GUIDED = EfficiencyFigure("Liu et al. 2019, Figure 5", "rethinking_fig5_guided", "vgg19_cifar", "cifar100")


class PaperEfficiency(NamedTuple):
    """A curve of such a figure: (parameters, test error in percent), of channels or single weights."""

    figure: EfficiencyFigure
    label: str
    unit: Unit
    marks: tuple[tuple[float, float], ...]


def efficiencies(figure: EfficiencyFigure) -> tuple[PaperEfficiency, ...]:
    """The curves of a figure, in its order; all of its networks were trained from scratch."""
    marks: dict[tuple[str, Unit], list[tuple[float, float]]] = {}
    for number in paper_numbers(figure.file):
        if number.x is not None:
            unit: Unit = "channels" if number.row.startswith("left") else "weights"
            marks.setdefault((number.method, unit), []).append((number.x, number.value))
    return tuple(PaperEfficiency(figure, label, unit, tuple(sorted(found))) for (label, unit), found in marks.items())


def tradeoffs(model: str, metric: Metric) -> tuple[PaperTradeoff, ...]:
    """The curves that stand beside those of this network; none but beside AlexNet's accuracies."""
    if not _is_paper(model, metric):
        return ()
    digitised = paper_numbers("han2015_fig5_tradeoff")
    made = []
    for label, look in _TRADEOFFS.items():
        marks = [(number.x, number.value) for number in digitised if number.method == label and number.x is not None]
        made.append(PaperTradeoff(label, look, tuple(sorted(marks))))
    return tuple(made)


def sensitivities(model: str, metric: Metric) -> tuple[PaperSensitivity, ...]:
    """The layers that stand beside those of this network; none but beside AlexNet's accuracies."""
    if not _is_paper(model, metric):
        return ()
    marks: dict[str, list[tuple[float, float]]] = {}
    for number in paper_numbers("han2015_fig6_sensitivity"):
        if number.x is not None:
            marks.setdefault(number.row, []).append((number.x, number.value))
    return tuple(
        PaperSensitivity(layer, "conv" if layer.startswith("conv") else "linear", tuple(sorted(found)))
        for layer, found in marks.items()
    )


def _is_paper(model: str, metric: Metric) -> bool:
    return model.startswith("alexnet") and metric in (TOP1, TOP5)
