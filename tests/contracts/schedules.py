"""What every schedule must do. A plug-in's test inherits ``ScheduleContract`` and gives ``schedule()``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pruneexp.schema import Budget


class Schedule(Protocol):
    def path(self, target: Budget, curve: Sequence[Budget]) -> tuple[Budget, ...]: ...


#: The same properties are run by each plug-in's class, which Hypothesis would take for a mistake.
every_plugin = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
density_curves = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6, unique=True)
quality_curves = st.lists(st.floats(0.0, 4.0), min_size=1, max_size=6, unique=True)


class ScheduleContract:
    def schedule(self) -> Schedule:
        raise NotImplementedError

    @given(values=density_curves)
    @every_plugin
    def test_densities_fall_to_the_target(self, values: list[float]) -> None:
        curve = [Budget("density", value) for value in values]
        for target in curve:
            path = self.schedule().path(target, curve)
            assert path[-1] == target
            assert all(0 < later.value < earlier.value <= 1 for earlier, later in pairwise(path))

    @given(values=quality_curves)
    @every_plugin
    def test_qualities_rise_to_the_target(self, values: list[float]) -> None:
        curve = [Budget("quality", value) for value in values]
        for target in curve:
            path = self.schedule().path(target, curve)
            assert path[-1] == target
            assert {budget.kind for budget in path} == {"quality"}
            assert all(0 <= earlier.value < later.value for earlier, later in pairwise(path))

    def test_order_of_the_curve_does_not_matter(self) -> None:
        curve = [Budget("density", value) for value in (0.5, 0.1, 0.25)]
        target = curve[1]
        assert self.schedule().path(target, curve) == self.schedule().path(target, curve[::-1])
