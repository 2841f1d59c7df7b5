"""The curves of papers as read off their images, beside which ours are drawn.

Those of Han et al. 2015, Figures 5 and 6, are of AlexNet, that of Han's thesis, Figure 3.7, of NeuralTalk's LSTM, those
of Liu et al. 2019 of VGG-16 on CIFAR-10 (Figure 3) and of VGG-19 on CIFAR-100 (Figure 5).

Knows neither how a curve is drawn nor which of ours stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeVar

from analysis.paper import PaperNumber, paper_numbers
from pruneexp.schema import TOP1, TOP5, Metric

Name = TypeVar("Name")
#: A curve, from left to right.
Marks = tuple[tuple[float, float], ...]
#: What is pruned as a whole.
Unit = Literal["channels", "weights"]
FIGURE_6 = "Han et al. 2015, Figure 6"
#: The regulariser and the moment of each curve of Han et al. 2015, Figure 5, and of Han's thesis, Figure 3.7.
LOOKS: Mapping[str, tuple[str, str]] = {
    "L2 w/o retrain": ("l2", "before"),
    "L1 w/o retrain": ("l1", "before"),
    "L1 w/ retrain": ("l1", "after"),
    "L2 w/ retrain": ("l2", "after"),
    "L2 w/ iterative prune and retrain": ("l2", "rounds"),
    "prune, no retrain": ("", "before"),
    "prune + retrain": ("", "after"),
}
_DENSE = "pretrained (dense)"


class TradeoffFigure(NamedTuple):
    """A figure of change against percent pruned: its title, what it is of, in words and by our names, its curves."""

    title: str
    of: str
    data: str
    model: str
    metric: str
    curves: Mapping[str, Marks]


class EfficiencyFigure(NamedTuple):
    """A figure of error against parameters: its title, the file of its numbers, and the network by its name here."""

    title: str
    file: str
    model: str
    data: str


DISCOVERED = EfficiencyFigure("Liu et al. 2019, Figure 3", "rethinking_fig3_uniform_vs_auto", "vgg16_cifar", "cifar10")
GUIDED = EfficiencyFigure("Liu et al. 2019, Figure 5", "rethinking_fig5_guided", "vgg19_cifar", "cifar100")


def efficiencies(figure: EfficiencyFigure) -> dict[tuple[str, Unit], Marks]:
    """Curves of parameters and test error in percent, by label and what is pruned; all were trained from scratch."""
    return _curves(figure.file, lambda number: (number.method, _unit(number)))


def tradeoffs(model: str, metric: Metric, *, as_in_paper: bool) -> TradeoffFigure | None:
    """What is drawn beside AlexNet's accuracies where ours look ``as_in_paper``, beside NeuralTalk's BLEU, or nothing.

    Changes are in points. The thesis names no data set.
    """
    if _is_paper(model, metric) and as_in_paper:
        curves = _curves("han2015_fig5_tradeoff", lambda number: number.method)
        title, of = "Han et al. 2015, Figure 5", "AlexNet, ImageNet, top-5"
        return TradeoffFigure(title, of, "imagenet", "alexnet", TOP5.name, _in_order(curves))
    if model != "neuraltalk":
        return None
    printed = _curves("hanthesis_fig3_7_neuraltalk", lambda number: (number.metric, number.method))
    scores = {label: marks for (name, label), marks in printed.items() if name == metric.title}
    if not scores:
        return None
    ((_, dense),) = scores.pop(_DENSE)
    curves = {label: tuple((x, round(y - dense, 6)) for x, y in marks) for label, marks in scores.items()}
    title, of = "Han's thesis, Figure 3.7", "NeuralTalk on a data set that it does not name"
    return TradeoffFigure(title, of, "", model, metric.name, _in_order(curves))


def _in_order(curves: Mapping[str, Marks]) -> dict[str, Marks]:
    return {label: curves[label] for label in LOOKS if label in curves}


def sensitivities(model: str, metric: Metric) -> dict[str, Marks]:
    """Curves of percent of a layer pruned and points of change, by layer; none but beside AlexNet's accuracies."""
    return _curves("han2015_fig6_sensitivity", lambda number: number.row) if _is_paper(model, metric) else {}


def _curves(file: str, called: Callable[[PaperNumber], Name]) -> dict[Name, Marks]:
    """The marks of each curve of a file, from left to right, by what it is called."""
    found: dict[Name, list[tuple[float, float]]] = {}
    for number in paper_numbers(file):
        if number.x is not None:
            found.setdefault(called(number), []).append((number.x, number.value))
    return {name: tuple(sorted(marks)) for name, marks in found.items()}


def _unit(number: PaperNumber) -> Unit:
    return "channels" if number.row.startswith("left") else "weights"


def _is_paper(model: str, metric: Metric) -> bool:
    return model.startswith("alexnet") and metric in (TOP1, TOP5)
