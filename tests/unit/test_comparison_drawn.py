"""What of a comparison is drawn: the points of the table, with a colour for what tells the sides apart."""

from __future__ import annotations

import pytest

from analysis.comparison import compared, drawn
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from tests.contracts.points import as_text, point, with_settings
from tests.unit.test_comparison_matching import sided


def _look(first: list[TradeoffPoint], second: list[TradeoffPoint]) -> dict[str, str]:
    return drawn.look(compared.data(sided(first, second)))


def test_what_each_side_has_one_value_of_gives_the_colours() -> None:
    first = [point(reg="l1", schedule=schedule) for schedule in ("one_shot", "progressive")]
    second = [point(reg="l2", schedule=schedule) for schedule in ("one_shot", "progressive")]
    assert _look(first, second) == {"y": "test.after.top1", "color": "reg"}
    assert _look([point()], [point(mode="scratch_e")]) == {"y": "test.after.top1", "color": "mode"}


def test_else_the_sides_do() -> None:
    several = [point(criterion="random"), point(criterion="layer_std")]
    assert _look([point()], several)["color"] == "side"
    assert _look([point()], [point()])["color"] == "side"


def test_several_modes_have_a_panel_each() -> None:
    first, second = ([point(reg=reg, mode=mode) for mode in ("prune", "scratch_e")] for reg in ("l1", "l2"))
    assert _look(first, second) == {"y": "test.after.top1", "color": "reg", "facet": "mode"}


def test_the_score_is_that_of_the_table() -> None:
    assert _look([as_text(point(reg="l1"))], [as_text(point())])["y"] == "test.after.perplexity"


def test_only_what_is_compared_is_drawn_under_the_names_of_the_sides() -> None:
    frame = sided([point(reg="l1"), point(reg="l1", density=0.5)], [point()])
    found = drawn.points(frame, compared.data(frame))
    assert list(zip(found["side"], found["budget.value"], strict=True)) == [("A: A", 0.1), ("B: B", 0.1)]


def test_two_networks_are_not_drawn() -> None:
    frame = sided([point(model="lenet5")], [with_settings(point(model="vgg16"))])
    with pytest.raises(UserError, match="a picture is of one network"):
        drawn.points(frame, compared.data(frame))
