"""Figure 6 of Han et al. 2015 from hand-made scans: which curves in which panel, their bands, and what is refused."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, ClassVar, Literal

import pytest

from analysis.drawing import panels, style
from analysis.figures import sensitivity
from analysis.records import scan_frames
from analysis.records.runs import LoggedScan
from analysis.statistics import selection
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, TOP5, Scan
from pruneexp.summary.spread import Spread
from tests.contracts.figures import FigureContract
from tests.contracts.scans import logged_scans, scan


def study() -> list[LoggedScan]:
    """Three layers, two seeds a point apart."""
    return logged_scans(scan(), scan(seed=1, shift=-1.0))


class TestSensitivity(FigureContract):
    name: ClassVar[str] = "sensitivity"
    records = staticmethod(study)


def _data(*made: Scan, metric: Literal["auto", "top1", "top5"] = "auto") -> sensitivity.SensitivityCurves:
    return sensitivity.data(selection.latest(scan_frames.frame(logged_scans(*made)), scan_frames.SCANS), metric=metric)


def test_layers_stand_in_the_order_of_the_network() -> None:
    changes = {"fc9": {0.5: -1.0}, "conv2": {0.5: -1.0}, "conv10": {0.5: -1.0}, "conv1+fc1": {0.5: -1.0}}
    (way,) = _data(scan(changes)).ways
    assert [(layer.group, layer.panel) for layer in way.layers] == [
        ("fc9", "linear"),
        ("conv2", "conv"),
        ("conv10", "conv"),
        ("conv1+fc1", "conv"),
    ]


def test_linear_layers_stand_with_others_where_a_network_has_such() -> None:
    made = scan({"conv1": {0.5: -1.0}, "gru.weight_hh_l0": {0.5: -1.0}, "fc": {0.5: -1.0}})
    rows = [replace(row, kind="recurrent") if "." in row.group else row for row in made.rows]
    (way,) = _data(replace(made, rows=tuple(rows))).ways
    assert [layer.panel for layer in way.layers] == ["conv", "other", "other"]


def test_marks_by_hand() -> None:
    made = _data(scan(), scan(seed=1, shift=-1.0))
    (way,) = made.ways
    assert (way.differing, way.retrain_epochs, way.images) == ("", 0, (200,))
    conv1 = way.layers[0]
    assert [(mark.level, mark.pruned) for mark in conv1.marks] == [
        ("density=0.75", 25.0),
        ("density=0.5", 50.0),
        ("density=0.25", 75.0),
    ]
    mark = conv1.marks[1]
    assert mark.change == Spread(-6.5, 0.5**0.5, -7.0, -6.0, 2)
    assert (mark.low, mark.high, mark.value.mean) == (-7.0, -6.0, 90.5)
    assert len(mark.runs) == 2


def test_a_single_seed_has_the_interval_over_images() -> None:
    (way,) = _data(scan()).ways
    assert (way.layers[0].marks[1].low, way.layers[0].marks[1].high) == (-6.5, -5.5)
    assert "Bands: 95 % bootstrap intervals over the images." in sensitivity.caption(_data(scan()))


def test_top5_on_imagenet() -> None:
    made = _data(scan(data="imagenet"))
    assert made.metric == TOP5
    mark = made.ways[0].layers[0].marks[1]
    assert (mark.change.mean, mark.low, mark.high) == (-3.0, -3.25, -2.75)
    assert _data(scan(data="imagenet"), metric="top1").metric == TOP1
    with pytest.raises(UserError, match="no scan of lenet5 on imagenet has a top-5 accuracy"):
        _data(scan(data="imagenet", top5=False))


def test_ways_of_scanning_are_rows_that_say_how() -> None:
    made = _data(scan(), scan(levels="quality", retrain_epochs=2))
    assert [way.differing for way in made.ways] == [
        "layer_magnitude, levels of density, no retraining",
        "layer_std, levels of quality, 2 epochs of retraining",
    ]
    drawn = sensitivity.draw(made)
    assert len(drawn.axes) == 4
    assert {way.differing for way in made.ways} <= {text.get_text() for text in drawn.texts}
    assert "retrain" not in sensitivity.caption(made)


def test_what_only_the_hash_of_the_settings_tells_apart_is_told() -> None:
    made = _data(scan(), scan(settings="s2"))
    assert [way.differing for way in made.ways] == ["scan settings s1-densi", "scan settings s2-densi"]


def test_too_many_ways_are_for_the_reader_to_choose_from() -> None:
    many = [scan(retrain_epochs=epochs) for epochs in range(sensitivity.MOST_WAYS + 1)]
    with pytest.raises(UserError, match=r"scanned in 4 ways, and 3 fit in one figure: .*--where by retrain_epochs\."):
        _data(*many)


def test_only_alexnet_without_retraining_is_drawn_with_the_digitised_curves() -> None:
    assert _data(scan()).paper == {}
    made = _data(scan(model="alexnet"))
    assert {layer: len(marks) for layer, marks in made.paper.items()} == {
        "conv1": 7, "conv2": 8, "conv3": 14, "conv4": 14, "conv5": 14, "fc1": 15, "fc2": 18, "fc3": 21,
    }  # fmt: skip
    assert made.paper["conv1"][-1] == (60.9, -18.9)
    assert "Han et al. 2015, Figure 6" in sensitivity.caption(made)
    assert "Han et al." not in sensitivity.caption(_data(scan(model="alexnet", retrain_epochs=1)))


def test_the_floor_is_the_papers_or_higher() -> None:
    deep = _data(scan())
    assert sensitivity.limits(deep) == (-20.0, 1.0)
    assert "Below the picture: 1 mark, down to −31 points." in sensitivity.caption(deep)
    shallow = _data(scan({"fc1": {0.5: -3.0}}))
    assert sensitivity.limits(shallow)[0] == -4.0
    assert "Below the picture" not in sensitivity.caption(shallow)
    assert sensitivity.limits(_data(scan({"fc1": {0.5: 0.0}})))[0] == -2.0


def test_one_kind_of_layer_is_one_panel() -> None:
    drawn = sensitivity.draw(_data(scan({"fc1": {0.5: -3.0}, "fc2": {0.5: -3.0}})))
    (panel,) = drawn.axes
    assert panel.get_title(loc="left") == "Fully connected layers"


@pytest.mark.parametrize(("width", "columns"), [("page", 2), ("column", 1)])
def test_panels_stand_below_each_other_on_a_narrow_page(width: Any, columns: int) -> None:
    with style.applied(width):
        drawn = sensitivity.draw(_data(scan()))
    lefts = {round(axes.get_position().x0, 3) for axes in drawn.axes}
    assert len(lefts) == columns
    assert all(axes.get_legend() is not None for axes in drawn.axes)


def test_thirteen_layers_look_like_thirteen() -> None:
    lines = style.sequence(13)
    assert len({line.colour for line in lines}) == 13
    assert len({(line.marker, line.filled) for line in lines[:10]}) == 10
    assert all(first.marker != second.marker for first, second in itertools.pairwise(lines))


def test_a_long_legend_takes_room_below_the_panels_not_from_them() -> None:
    def page(count: int) -> panels.Page:
        legends = [[f"features.{number}.0" for number in range(count)], ["fc"]]
        return panels.page(width=7.0, size=9.0, count=2, columns=2, height=2.5, legends=legends, words="", heading=4.0,
                           between=6.0)  # fmt: skip

    few, many = page(2), page(40)
    assert many.below > few.below
    assert many.total - few.total == pytest.approx(many.below - few.below)
    assert many.box(1)[0] == few.box(1)[0]
    assert few.entries(["a" * 200, "b"], 1) == 1


def test_two_networks_in_one_picture_are_refused() -> None:
    with pytest.raises(UserError, match="mnist5k/alexnet, mnist5k/lenet5"):
        _data(scan(), scan(model="alexnet"))
