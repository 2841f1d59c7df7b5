"""Methods beside each other: a panel over compression and one over theoretical speed-up, with the same marks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.drawing.style import applied
from analysis.figures import methods
from analysis.records import frames
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point


def study() -> list[LoggedPoint]:
    """Random weights leave more FLOP than magnitude at the same compression."""
    return logged(*(
        costing(point(criterion=criterion, seed=seed, density=density, after=after + seed), share)
        for criterion, after, share in (("layer_magnitude", 95.0, 1.0), ("random", 90.0, 2.0))
        for density in (0.2, 0.1)
        for seed in (0, 1)
    ))  # fmt: skip


def costing(made: TradeoffPoint, share: float) -> TradeoffPoint:
    return replace(made, result=replace(made.result, flop_weights=share * made.result.flop_weights))


class TestMethods(FigureContract):
    name = "methods"
    records = staticmethod(study)


def test_the_panels_by_hand() -> None:
    made = methods.data(frames.frame(study()))
    marks = [[(curve.colour, [(round(mark.x, 6), mark.y.mean, mark.y.n) for mark in curve.marks])
              for curve in panel.curves] for panel in made.panels]  # fmt: skip
    assert marks == [
        [("layer_magnitude", [(5.0, 95.5, 2), (10.0, 95.5, 2)]), ("random", [(5.0, 90.5, 2), (10.0, 90.5, 2)])],
        [("layer_magnitude", [(5.0, 95.5, 2), (10.0, 95.5, 2)]), ("random", [(2.5, 90.5, 2), (5.0, 90.5, 2)])],
    ]
    assert [panel.x for panel in made.panels] == [
        "compression (all / kept)",
        "theoretical speed-up (FLOP, all / kept)",
    ]


def test_the_caption_says_what_marks_and_bands_are() -> None:
    said = methods.caption(methods.data(frames.frame(study())))
    assert "Marks: mean over 2 seeds; bands: from the lowest to the highest seed. Dotted: the dense networks." in said
    doubtful = [*study(), *logged(replace(point(criterion="random", density=0.02), disconnected=True))]
    crossed = methods.caption(methods.data(frames.frame(doubtful)))
    assert "Crossed out: some of these networks give the same outputs" in crossed


@pytest.mark.parametrize(("width", "places"), [("page", 2), ("column", 1)])
def test_panels_stand_side_by_side_where_there_is_room(width: str, places: int) -> None:
    with applied(width):  # type: ignore[arg-type]
        drawn = methods.draw(methods.data(frames.frame(study())))
    assert len(drawn.axes) == 2
    assert len({round(axes.get_position().x0, 3) for axes in drawn.axes}) == places


def test_a_single_method_is_nothing_to_compare() -> None:
    with pytest.raises(UserError, match=r"^methods are compared, and a single one is logged: tradeoff shows it\.$"):
        methods.data(frames.frame(logged(point(), point(density=0.2), point(mode="rewind"))))
