"""Figure 5 of Han et al. 2015 from hand-made points: which curves, where, and in which lines."""

from __future__ import annotations

import pytest

from analysis.drawing import style
from analysis.figures import tradeoff
from analysis.records import frames
from analysis.statistics import selection
from pruneexp.errors import UserError
from pruneexp.schema import TOP5
from pruneexp.schema.columns import LoggedPoint
from pruneexp.summary import palette
from pruneexp.summary.spread import Spread
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point, with_top5


def study(model: str = "lenet5") -> list[LoggedPoint]:
    """Five curves of two seeds: L1 and L2 one-shot, L2 progressive."""
    made = [
        point(model=model, reg=reg, schedule=schedule, seed=seed, density=density, after=96.0 + seed - 0.05 / density)
        for reg, schedule in (("l1", "one_shot"), ("l2", "one_shot"), ("l2", "progressive"))
        for seed in (0, 1)
        for density in (0.5, 0.2, 0.1)
    ]
    return logged(*made)


class TestTradeoff(FigureContract):
    name = "tradeoff"
    records = staticmethod(study)


def _data(points: list[LoggedPoint]) -> tradeoff.Tradeoff:
    return tradeoff.data(selection.latest(frames.frame(points)))


def test_five_curves_in_the_order_and_words_of_the_paper() -> None:
    assert [tradeoff.label(curve) for curve in _data(study()).curves] == [
        "L2 w/o retrain",
        "L1 w/o retrain",
        "L1 w/ retrain",
        "L2 w/ retrain",
        "L2 iterative prune and retrain",
    ]


def test_marks_by_hand() -> None:
    made = _data(logged(point(seed=0, before=90.0, after=96.0), point(seed=1, before=80.0, after=97.0)))
    before, after = made.curves
    assert [(mark.pruned, mark.change) for mark in before.marks] == [(90.0, Spread(-12.0, 50.0**0.5, -17.0, -7.0, 2))]
    assert [(mark.pruned, mark.change) for mark in after.marks] == [(90.0, Spread(-0.5, 0.5**0.5, -1.0, 0.0, 2))]
    assert after.marks[0].runs == (f"{1:032x}", f"{2:032x}")


def test_other_modes_are_not_in_the_picture() -> None:
    others = logged(point(), point(mode="scratch_e", after=50.0), point(mode="rewind", after=40.0))
    assert _data(others) == _data(others[:1])


def test_l1_then_l2_shares_the_unretrained_curve_of_l1() -> None:
    made = _data(logged(point(reg="l1"), point(reg="l1_then_l2"), point(reg="l1_then_l2", seed=1)))
    assert [(tradeoff.label(curve), curve.seeds) for curve in made.curves] == [
        ("L1 w/o retrain", "n = 2"),
        ("L1 w/ retrain", "n = 1"),
        ("L1 then L2 w/ retrain", "n = 2"),
    ]


def test_curves_of_one_style_are_told_apart() -> None:
    made = _data(logged(point(), point(criterion="layer_std")))
    retrained = [curve for curve in made.curves if curve.style == ("l2", "after")]
    assert [tradeoff.label(curve) for curve in retrained] == [
        "L2 w/ retrain, layer_magnitude",
        "L2 w/ retrain, layer_std",
    ]
    assert len({style.line("l2", "after", curve.variant) for curve in retrained}) == 2


def test_the_papers_lines() -> None:
    drawn = {look: style.line(*look) for look in palette.FIGURE_5}
    assert [(drawn[look].marker, drawn[look].dashed, drawn[look].filled) for look in tradeoff._ORDER] == [
        ("o", True, False),
        ("^", True, False),
        ("^", False, False),
        ("o", False, False),
        ("o", False, True),
    ]
    assert len({line.colour for line in drawn.values()}) == len(drawn)


def test_only_alexnet_is_drawn_with_the_digitised_curves() -> None:
    assert _data(study("lenet5")).paper == ()
    paper = {curve.label: curve.marks for curve in _data(study("alexnet")).paper}
    assert paper["L2 w/ retrain"][0] == (50.0, 0.02)
    assert paper["L2 w/ iterative prune and retrain"][-1] == (95.8, -4.19)
    assert [len(marks) for marks in paper.values()] == [4, 7, 9, 9, 8]
    assert _data(study("alexnet_torchvision")).paper == _data(study("alexnet")).paper


def test_axes_are_the_papers_where_the_data_fits() -> None:
    made = _data(logged(point(dense=97.0, before=60.0, after=96.5)))
    assert tradeoff.limits(made) == tradeoff.PAPER_Y
    assert "1 mark beyond it, down to −37.0 points" in tradeoff.caption(made)


def test_a_collapsed_network_does_not_flatten_the_rest() -> None:
    collapsed = _data(logged(point(after=95.0, before=95.0), point(density=0.01, after=10.0, before=10.0)))
    assert tradeoff.limits(collapsed) == tradeoff.PAPER_Y
    deep = _data(logged(point(after=89.0, before=10.0)))
    assert tradeoff.limits(deep)[0] == -9.0
    risen = _data(logged(point(after=99.0)))
    assert tradeoff.limits(risen)[1] == 2.5


def test_top5_on_imagenet_as_in_the_paper() -> None:
    made = frames.frame(logged(with_top5(point(data="imagenet", dense=57.0, after=55.0), dense=80.0, after=79.0)))
    assert tradeoff.data(made).metric == TOP5
    assert tradeoff.data(made).curves[-1].marks[0].change.mean == -1.0
    assert tradeoff.data(made, metric="top1").curves[-1].marks[0].change.mean == -2.0


def test_val_is_shown_when_asked_for() -> None:
    made = frames.frame(logged(point(after=96.0, val_offset=1.0)))
    assert tradeoff.data(made, split="val").curves[-1].marks[0].value.mean == 97.0


def test_two_networks_in_one_picture_are_refused() -> None:
    with pytest.raises(UserError, match=r"mnist5k/alexnet, mnist5k/lenet5"):
        _data(logged(point(), point(model="alexnet")))


def test_a_long_legend_stands_beside_the_axes() -> None:
    few = tradeoff.draw(_data(study()))
    many = _data(logged(*(point(criterion=f"criterion_{number}", before=None) for number in range(9))))
    assert tradeoff.draw(many).get_figwidth() > few.get_figwidth()
