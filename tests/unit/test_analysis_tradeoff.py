"""Trade-offs from hand-made points: which curves, where, in which lines and words, and what is said to be left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.drawing import axes as axis
from analysis.figures import tradeoff
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.extents import LEAST
from pruneexp.errors import UserError
from pruneexp.schema import TOP5
from pruneexp.schema.columns import LoggedPoint
from pruneexp.summary import palette
from pruneexp.summary.spread import Spread
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point, with_settings, with_top5


def study(model: str = "lenet5", data: str = "mnist5k") -> list[LoggedPoint]:
    """Five curves of two seeds: L1 and L2 one-shot, L2 progressive."""
    made = [
        point(model=model, data=data, reg=reg, schedule=schedule, seed=seed, density=density,
              after=96.0 + seed - 0.05 / density)
        for reg, schedule in (("l1", "one_shot"), ("l2", "one_shot"), ("l2", "progressive"))
        for seed in (0, 1)
        for density in (0.5, 0.2, 0.1)
    ]  # fmt: skip
    return logged(*made)


class TestTradeoff(FigureContract):
    name = "tradeoff"
    records = staticmethod(study)


def frame(points: list[LoggedPoint]) -> pd.DataFrame:
    return selection.latest(frames.frame(points))


def data(points: list[LoggedPoint], **options: Any) -> tradeoff.Tradeoff:
    return tradeoff.data(frame(points), **options)


def labels(made: tradeoff.Tradeoff) -> list[str]:
    return [tradeoff.label(made, curve) for curve in made.curves]


def entries(made: tradeoff.Tradeoff) -> list[str]:
    return [name for name, _ in tradeoff.legend(made)]


class TestThePaper:
    def test_five_curves_in_its_order_and_words(self) -> None:
        assert entries(data(study())) == [
            "L2 w/o retrain",
            "L1 w/o retrain",
            "L1 w/ retrain",
            "L2 w/ retrain",
            "L2 iterative prune and retrain",
        ]

    def test_its_lines(self) -> None:
        lines = [line for _, line in tradeoff.legend(data(study()))]
        assert [(line.marker, line.dashed, line.filled) for line in lines] == [
            ("o", True, False),
            ("^", True, False),
            ("^", False, False),
            ("o", False, False),
            ("o", False, True),
        ]
        assert lines[0].colour == palette.FIGURE_5["l2", "before"]

    def test_only_alexnet_is_drawn_with_the_digitised_curves(self) -> None:
        assert data(study("lenet5")).paper is None
        printed = data(study("alexnet")).paper
        assert printed is not None
        paper = printed.curves
        assert paper["L2 w/ retrain"][0] == (50.0, 0.02)
        assert paper["L2 w/ iterative prune and retrain"][-1] == (95.8, -4.19)
        assert [len(marks) for marks in paper.values()] == [4, 7, 9, 9, 8]
        assert data(study("alexnet_torchvision")).paper == data(study("alexnet")).paper
        assert data(study("alexnet"), y="value").paper is None

    def test_its_own_axes_are_linear_and_others_give_room_to_what_is_above_90(self) -> None:
        own = data(study("alexnet", "imagenet"), metric="top1")
        assert tuple(own.x) == (40.0, 100.0, "linear")
        assert own.y == tradeoff.PAPER_Y
        other = data(study())
        assert (other.x.low, other.x.scale) == (0.0, "remaining")
        assert other.x.high == 92.5  # three quarters of what is left at 90 %
        low, high = LEAST["points"]
        assert other.y == (min(low, -1.5), max(high, 0.5))

    def test_seeds_stand_in_the_legend_where_curves_differ(self) -> None:
        more = [*study(), *logged(point(reg="l1", seed=7, density=0.5))[:1]]
        assert "L1 w/ retrain (n = 2 to 3)" in entries(data(more))


class TestCurves:
    def test_marks_by_hand(self) -> None:
        made = data(logged(point(seed=0, before=90.0, after=96.0), point(seed=1, before=80.0, after=97.0)))
        before, after = made.curves
        assert [(mark.x, mark.y) for mark in before.marks] == [(90.0, Spread(-12.0, 50.0**0.5, -17.0, -7.0, 2))]
        assert [(mark.x, mark.y) for mark in after.marks] == [(90.0, Spread(-0.5, 0.5**0.5, -1.0, 0.0, 2))]
        assert after.marks[0].runs == (f"{1:032x}", f"{2:032x}")

    def test_other_modes_are_left_out_which_the_caption_says_with_the_option_that_shows_them(self) -> None:
        others = logged(point(), point(mode="scratch_e", after=50.0), point(mode="rewind", after=40.0))
        made = data(others)
        assert made.curves == data(others[:1]).curves
        told = "Shown is fine-tuning; --color mode shows weight rewinding and Scratch-E beside it."
        assert told in tradeoff.caption(made)
        shown = data(others, color="mode")
        assert shown.numbers.family.colours == ("fine-tuning", "weight rewinding", "Scratch-E")
        assert "Shown is" not in tradeoff.caption(shown)
        assert data(others[1:]).numbers.family.colours == ("weight rewinding", "Scratch-E")  # none is fine-tuned

    def test_networks_before_retraining_are_there_once_in_several_modes(self) -> None:
        made = data(logged(point(), point(mode="scratch_e"), point(mode="rewind")), color="mode")
        after = [("fine-tuning", "after"), ("weight rewinding", "after"), ("Scratch-E", "after")]
        assert [(curve.colour, curve.moment) for curve in made.curves] == [("", "before"), *after]

    def test_l1_then_l2_shares_the_unretrained_curve_of_l1(self) -> None:
        made = data(logged(point(reg="l1"), point(reg="l1_then_l2"), point(reg="l1_then_l2", seed=1)))
        assert list(zip(labels(made), (curve.seeds for curve in made.curves), strict=True)) == [
            ("L1, before retraining", "n = 2"),
            ("L1, after retraining", "n = 1"),
            ("L1 then L2, after retraining", "n = 2"),
        ]

    def test_what_differs_first_has_colours_and_the_rest_markers(self) -> None:
        made = data(logged(*(with_settings(point(criterion=name), min_keep=keep, point_key=f"{name} {keep}")
                             for name in ("layer_std", "random") for keep in (1, 8))))  # fmt: skip
        assert made.numbers.family.channels == (("criterion",), ("min_keep",), ())
        assert entries(made) == [
            "layer_std", "random", "min keep 1", "min keep 8", "before retraining", "after retraining"
        ]  # fmt: skip
        lines = {curve.colour: tradeoff.look(made, curve).colour for curve in made.curves}
        assert list(lines.values()) == list(palette.LEVELS[:2])
        markers = {curve.style: tradeoff.look(made, curve).marker for curve in made.curves}
        assert len(set(markers.values())) == 2

    def test_colours_are_told_again_by_markers_where_nothing_else_has_them(self) -> None:
        made = data(logged(*(point(criterion=name, before=None) for name in ("layer_std", "random", "own"))))
        looks = [tradeoff.look(made, curve) for curve in made.curves]
        assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == 3

    def test_many_levels_have_colours_too(self) -> None:
        made = data(logged(*(point(criterion=f"criterion_{number}", before=None) for number in range(12))))
        assert len({tradeoff.look(made, curve).colour for curve in made.curves}) == 12

    def test_a_column_of_the_frames_own_may_be_coloured_by(self) -> None:
        sides = frame(logged(point(), point(seed=1))).assign(side=["ours", "theirs"])
        made = tradeoff.data(sides, color="side")
        assert made.numbers.family.colours == ("ours", "theirs")
        both = pd.concat([sides, sides.assign(side="the same")], ignore_index=True)
        assert tradeoff.data(both, color="side").numbers.family.colours == ("ours", "the same", "theirs")

    def test_what_follows_from_the_colour_is_told_with_it(self) -> None:
        chosen = (("random", "l1"), ("layer_std", "l2"))
        points = [point(criterion=name, reg=reg, schedule=schedule)
                  for name, reg in chosen for schedule in ("one_shot", "iterative")]  # fmt: skip
        made = data(logged(*points), color="criterion").numbers.family
        assert made.colours == ("layer_std, L2", "random, L1")
        assert made.styles == ("iterative", "one-shot")

    def test_budgets_may_be_panels(self) -> None:
        made = data(logged(point(density=0.5), point(density=0.1)), facet="budget.value")
        assert made.numbers.family.facets == ("budget 0.1", "budget 0.5")
        assert "Marks: one seed each." in tradeoff.caption(made)

    def test_panels_are_values_of_a_column(self) -> None:
        made = data(study(), facet="schedule")
        assert made.numbers.family.facets == ("one-shot", "progressive")
        figure = tradeoff.draw(made)
        assert {"one-shot", "progressive"} <= {text.get_text() for text in figure.texts}


class TestAxes:
    def test_what_falls_further_is_marked_at_the_edge_and_told(self) -> None:
        made = data(logged(point(dense=97.0, before=60.0, after=96.5)))
        assert "1 mark beyond it, down to −37.0 points; --ylim shows more." in tradeoff.caption(made)
        wide = data(logged(point(dense=97.0, before=60.0, after=96.5)), ylim="-40:1")
        assert wide.y == (-40.0, 1.0)
        assert "beyond it" not in tradeoff.caption(wide)

    def test_a_collapsed_network_does_not_flatten_the_rest(self) -> None:
        collapsed = data(logged(point(after=95.0, before=95.0), point(density=0.01, after=10.0, before=10.0)))
        assert collapsed.y == (-2.5, 0.5)  # 1.1 times the 2 points that the other loses, in halves
        assert data(logged(point(after=89.0, before=10.0))).y[0] == -9.0
        assert data(logged(point(after=17.0, before=10.0))).y[0] == -88.0  # where all collapse, all are shown
        assert data(logged(point(after=99.0))).y[1] == 2.5

    @pytest.mark.parametrize(
        ("x", "column", "value"),
        [("pruned", "pruned", 90.0), ("compression", "compression", 10.0), ("parameters", "weights_kept", 1_000.0),
         ("flop", "flop_effective", 1e5), ("bytes", "bytes_sparse", 5_000.0)],
    )  # fmt: skip
    def test_x_is_what_is_left(self, x: Any, column: str, value: float) -> None:
        made = data(logged(point(density=0.1)), x=x, log_x=True)
        assert made.curves[0].marks[0].x == pytest.approx(value)
        assert frame(logged(point(density=0.1)))[column].iloc[0] == pytest.approx(value)
        assert made.x.scale == ("remaining" if x == "pruned" else "log")
        assert data(logged(point()), x="compression").x.scale == "linear"

    def test_y_is_a_change_a_value_or_a_column(self) -> None:
        points = logged(point(dense=97.0, before=60.0, after=96.0, val_offset=1.0))
        assert [curve.marks[0].y.mean for curve in data(points, y="value").curves] == [60.0, 96.0]
        assert "Dotted: the dense networks." in tradeoff.caption(data(points, y="value"))
        val = data(points, split="val", y="value")
        assert (val.numbers.y.label, val.curves[-1].marks[0].y.mean) == ("val top-1 accuracy, %", 97.0)
        (loss,) = data(points, y="val.after.loss").curves
        assert loss.moment == "after"
        assert loss.marks[0].y.mean == pytest.approx(0.06)
        made = data(points, y="test.before.top1")
        (before,) = made.curves
        assert (before.moment, before.marks[0].y.mean, before.dense) == ("before", 60.0, 97.0)
        assert made.numbers.y.label == "test top-1 accuracy before retraining, %"
        change = data(points, y="val.change_after.top1").numbers.y
        assert (change.label, change.is_change) == ("val top-1 accuracy change after retraining, points", True)

    def test_top5_on_imagenet_as_in_the_paper(self) -> None:
        made = logged(with_top5(point(data="imagenet", dense=57.0, after=55.0), dense=80.0, after=79.0))
        assert data(made).numbers.metric == TOP5
        assert data(made).curves[-1].marks[0].y.mean == -1.0
        assert data(made, metric="top1").curves[-1].marks[0].y.mean == -2.0

    def test_ticks_stand_where_compression_is_a_round_number(self) -> None:
        below, top = tradeoff.draw(data(study())).axes
        assert [text.get_text() for text in below.get_xticklabels()] == ["0", "50", "80", "90"]
        assert [text.get_text() for text in top.get_xticklabels()] == ["2×", "5×", "10×"]
        assert "On top: compression." in tradeoff.caption(data(study()))
        assert "compression" not in tradeoff.caption(data(study(), x="bytes"))
        places = below.transData.transform([(tick, 0.0) for tick in (0.0, 90.0, 99.0)])[:, 0]
        assert places[1] - places[0] == pytest.approx(places[2] - places[1])  # a tenth of what is left, both times

    def test_ticks_that_would_touch_are_left_out_on_narrow_panels(self) -> None:
        points = logged(*(point(criterion=name, density=density)
                          for name in ("layer_std", "random", "own") for density in (0.5, 0.01)))  # fmt: skip
        wide, *_ = tradeoff.draw(data(points)).axes
        narrow, *_ = tradeoff.draw(data(points, facet="criterion")).axes
        texts = [[text.get_text() for text in axes.get_xticklabels()] for axes in (wide, narrow)]
        assert texts[0] == ["0", "50", "80", "90", "95", "97.5", "99"]
        assert set(texts[1]) < set(texts[0])
        assert {"0", "50", "99"} <= set(texts[1])

    @pytest.mark.parametrize(
        ("low", "high", "ticks"),
        [(1e3, 1e6, [1e3, 1e4, 1e5, 1e6]), (9e5, 6e6, [1e6, 2e6, 5e6]), (5.5e5, 1.6e6, [6e5, 8e5, 1e6, 1.5e6])],
    )
    def test_logarithmic_ticks_are_round_and_at_least_three(self, low: float, high: float, ticks: list[float]) -> None:
        assert axis._decimal(axis.Span(low, high, "log")) == pytest.approx(ticks)

    def test_points_without_y_are_counted(self) -> None:
        made = frame(logged(point(), point(density=0.5)))
        made.loc[0, "val.after.loss"] = float("nan")
        shown = tradeoff.data(made, y="val.after.loss")
        assert "1 point has no such number: left out." in tradeoff.caption(shown)
        assert sum(len(curve.marks) for curve in shown.curves) == 1
        assert "left out" not in tradeoff.caption(tradeoff.data(made))

    def test_triangles_of_a_budget_pile_up_from_the_edge(self) -> None:
        axes, _ = tradeoff.draw(data(study(), ylim="-0.7:1")).axes
        at_edge = [line.get_xydata() for line in axes.lines if line.get_marker() == "v"]
        piles = pd.DataFrame(np.concatenate(at_edge), columns=["x", "y"]).groupby("x")["y"]
        assert piles.max().to_list() == pytest.approx([0.014 + 0.025 * (count - 1) for count in (2, 5, 5)])
        assert piles.nunique().to_list() == piles.size().to_list() == [2, 5, 5]

    def test_marks_outside_of_the_limits_are_counted(self) -> None:
        made = data(study(), xlim="0:85")
        assert "5 marks lie outside of --xlim or --ylim." in tradeoff.caption(made)  # those at 90 % of five curves


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"color": "critereon"}, r"--color critereon: points have no such column \(did you mean criterion\?\)"),
            ({"facet": "test.after.top1"}, r"--facet test\.after\.top1: [^;]*; these points differ in reg, "),
            ({"y": "test.after.top"}, r"--y test\.after\.top: points have no such number \(did you mean test\.after"),
            ({"metric": "top2"}, r"--metric=top2: the records are judged by top1"),
            ({"ylim": "1"}, r"--ylim takes two different numbers, for example --ylim -5:1; got '1'"),
            ({"xlim": "5:5"}, r"--xlim takes two different numbers"),
            ({"xlim": "0:10"}, r"no point lies within the limits: x reaches from 50 to 90, and y from -37 to "),
        ],
    )  # fmt: skip
    def test_is_one_sentence(self, options: dict[str, Any], told: str) -> None:
        with pytest.raises(UserError, match=rf"^{told}[^\n]*\.$"):
            data(study(), **options)

    def test_two_networks_in_one_picture_are_refused(self) -> None:
        with pytest.raises(UserError, match=r"mnist5k/alexnet, mnist5k/lenet5"):
            data(logged(point(), point(model="alexnet")))
