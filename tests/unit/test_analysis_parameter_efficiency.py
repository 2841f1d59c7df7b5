"""Error against parameters, as in Liu et al. 2019, Figure 3, from hand-made points."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from analysis.figures import parameter_efficiency
from analysis.records import frames
from analysis.statistics import digitised
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import as_text, logged, point


def _channels(seed: int, parameters: int, after: float) -> TradeoffPoint:
    made = point(mode="scratch_e", criterion="channel_magnitude", seed=seed, density=parameters / 10_000, after=after)
    return replace(made, result=replace(made.result, removed_parameters=parameters))


def study() -> list[LoggedPoint]:
    """Two seeds: single weights by two criteria, channels by one, and a fine-tuned point that does not count."""
    made = [point(mode="scratch_e", criterion=criterion, seed=seed, density=density, after=after + seed)
            for criterion, after in (("random", 94.0), ("global_magnitude", 95.0))
            for density in (0.2, 0.1) for seed in (0, 1)]  # fmt: skip
    made += [_channels(seed, 4_000, 93.0 + seed) for seed in (0, 1)]
    return logged(*made, point(after=50.0))


class TestParameterEfficiency(FigureContract):
    name: ClassVar[str] = "parameter_efficiency"
    records = staticmethod(study)


def test_the_marks_by_hand() -> None:
    made = parameter_efficiency.data(frames.frame(study()))
    assert [(panel.unit, [parameter_efficiency.label(curve) for curve in panel.found.curves])
            for panel in made.panels] == [
        ("channels", ["channel_magnitude"]), ("weights", ["global_magnitude", "random"])
    ]  # fmt: skip
    channels, weights = ([(mark.x, mark.y.mean, mark.y.n) for mark in panel.found.curves[0].marks]
                         for panel in made.panels)  # fmt: skip
    assert channels == [(4_000, 6.5, 2)]
    assert weights == [(1_000, 4.5, 2), (2_000, 4.5, 2)]
    assert made.curves[0].dense == 3.0
    assert made.y[0] < 3.0
    assert made.y[1] > 6.5


def test_the_papers_curves_stand_beside_ours_if_asked_for() -> None:
    made = parameter_efficiency.data(frames.frame(study()), paper=True)
    assert [list(panel.paper) for panel in made.panels] == [
        ["Uniform Pruning", "Network Slimming"], ["Uniform Sparsifying", "Unstructured Pruning"]
    ]  # fmt: skip
    assert {len(marks) for marks in digitised.efficiencies(digitised.DISCOVERED).values()} == {6, 9}
    assert "Thin lines: Liu et al. 2019, Figure 3" in parameter_efficiency.caption(made)
    assert "Thin lines" not in parameter_efficiency.caption(parameter_efficiency.data(frames.frame(study())))


def test_beside_guided_networks_stand_the_papers() -> None:
    guided = [point(mode="scratch_e", criterion="guided_weights", seed=seed, density=0.1) for seed in (0, 1)]
    made = parameter_efficiency.data(frames.frame([*study(), *logged(*guided)]), paper=True)
    assert [[name.split()[0] for name in panel.paper] for panel in made.panels] == [
        ["Uniform", "Network", "Guided", "Transferred"], ["Uniform", "Unstructured", "Guided", "Transferred"]
    ]  # fmt: skip
    assert {len(marks) for marks in digitised.efficiencies(digitised.GUIDED).values()} == {6, 8}
    assert "Figure 5, read off the image (VGG-19 on CIFAR-100)" in parameter_efficiency.caption(made)
    of_paper = [row for row in parameter_efficiency.rows(made) if row["source"] != "runs"]
    assert {(row["source"], row["model"], row["data"]) for row in of_paper} == {
        ("Liu et al. 2019, Figure 5 (digitised)", "vgg19_cifar", "cifar100")
    }
    assert max(row["y_mean"] for row in of_paper) == 33.12


def test_what_no_pattern_guides_is_not_said_to_have_no_source() -> None:
    words = (("random", "score Random, no source"), ("guided_weights", "score Random, source vgg/digits"))
    made = parameter_efficiency.data(frames.frame(logged(*(point(mode="scratch_e", criterion=of) for of, _ in words))))
    curves = {dict(curve.conditions)["criterion"]: curve for curve in made.curves}
    assert [parameter_efficiency.label(curves[of]._replace(style=told)) for of, told in words] == [
        "random, score Random", "guided sparsifying, score Random, source vgg/digits"
    ]  # fmt: skip


def test_of_another_metric_the_value_is_shown() -> None:
    made = parameter_efficiency.data(frames.frame(logged(as_text(point(mode="scratch_e", after=96.5)))))
    assert made.quantity.label == "test perplexity"
    assert made.curves[0].marks[0].y.mean == 7.5


def test_other_modes_are_shown_if_asked_for_and_missing_ones_are_said() -> None:
    assert parameter_efficiency.data(frames.frame(study()), mode="prune").curves[0].marks[0].y.mean == 50.0
    with pytest.raises(UserError, match=r"^no point is logged in mode=scratch_b"):
        parameter_efficiency.data(frames.frame(study()), mode="scratch_b")
    with pytest.raises(UserError, match=r"^--ylim takes two different numbers"):
        parameter_efficiency.data(frames.frame(study()), ylim="3")
