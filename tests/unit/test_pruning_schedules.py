"""Schedules: the contract, and the path of each worked by hand."""

from __future__ import annotations

import pytest

from pruneexp.pruning.schedules.iterative import Iterative
from pruneexp.pruning.schedules.one_shot import OneShot
from pruneexp.pruning.schedules.progressive import Progressive
from pruneexp.schema import Budget
from tests.contracts.schedules import ScheduleContract


def densities(*values: float) -> tuple[Budget, ...]:
    return tuple(Budget("density", value) for value in values)


def qualities(*values: float) -> tuple[Budget, ...]:
    return tuple(Budget("quality", value) for value in values)


class TestOneShot(ScheduleContract):
    def schedule(self) -> OneShot:
        return OneShot()

    def test_is_the_target_alone(self) -> None:
        curve = densities(0.5, 0.1)
        assert OneShot().path(curve[1], curve) == densities(0.1)


class TestIterative(ScheduleContract):
    def schedule(self) -> Iterative:
        return Iterative()

    def test_densities_are_geometric(self) -> None:
        path = Iterative(rounds=3).path(Budget("density", 0.125), ())
        assert [budget.value for budget in path] == pytest.approx([0.5, 0.25, 0.125])

    def test_qualities_are_linear(self) -> None:
        path = Iterative(rounds=4).path(Budget("quality", 2.0), ())
        assert path == qualities(0.5, 1.0, 1.5, 2.0)

    def test_one_round_is_one_shot(self) -> None:
        assert Iterative(rounds=1).path(Budget("density", 0.1), ()) == densities(0.1)

    @pytest.mark.parametrize("target", [*densities(1.0), *qualities(0.0)])
    def test_nothing_to_prune_is_one_round(self, target: Budget) -> None:
        assert Iterative().path(target, ()) == (target,)

    def test_refuses_no_rounds(self) -> None:
        with pytest.raises(ValueError, match="rounds is 0, must be a whole number of at least 1"):
            Iterative(rounds=0)


class TestProgressive(ScheduleContract):
    def schedule(self) -> Progressive:
        return Progressive()

    def test_goes_through_the_milder_budgets_of_the_curve(self) -> None:
        curve = densities(1.0, 0.5, 0.25, 0.1)
        assert Progressive().path(curve[3], curve) == densities(0.5, 0.25, 0.1)
        assert Progressive().path(curve[1], curve) == densities(0.5)

    def test_a_point_extends_the_path_of_the_one_before(self) -> None:
        curve = qualities(0.5, 1.0, 1.5)
        schedule = Progressive()
        assert schedule.path(curve[2], curve) == (*schedule.path(curve[1], curve), curve[2])

    def test_start_as_in_figure_5(self) -> None:
        curve = densities(1 / 3, 1 / 5, 1 / 8, 1 / 9)
        schedule = Progressive(start=1 / 5)
        assert schedule.path(curve[0], curve) == densities(1 / 3)
        assert schedule.path(curve[1], curve) == densities(1 / 5)
        assert schedule.path(curve[3], curve) == densities(1 / 5, 1 / 8, 1 / 9)

    def test_start_need_not_be_on_the_curve(self) -> None:
        curve = densities(0.5, 0.1)
        assert Progressive(start=0.3).path(curve[1], curve) == densities(0.3, 0.1)

    def test_ignores_budgets_of_the_other_kind(self) -> None:
        assert Progressive().path(Budget("density", 0.1), qualities(0.5, 1.0)) == densities(0.1)

    @pytest.mark.parametrize("start", [0.0, -1.0, float("nan")])
    def test_refuses_start(self, start: float) -> None:
        with pytest.raises(ValueError, match="start is"):
            Progressive(start=start)


class TestProgressiveFromStart(ScheduleContract):
    def schedule(self) -> Progressive:
        return Progressive(start=0.5)
