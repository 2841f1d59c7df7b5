"""What every allocation must do with densities. A plug-in's test inherits ``AllocationContract``."""

from __future__ import annotations

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from pruneexp.pruning.criteria.magnitude import Magnitude
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import count_for
from pruneexp.pruning.select import Allocation, Selection, select
from pruneexp.schema import Budget

SIZES = {"a": (4, 5), "b": (6, 2, 3), "c": (1, 9)}

#: The same properties are run by each plug-in's class, which Hypothesis would take for a mistake.
every_plugin = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
densities = st.floats(0.01, 1.0)


def weights_of(seed: int) -> dict[str, Tensor]:
    noise = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=noise) * (1 + i) for i, (name, shape) in enumerate(SIZES.items())}


def cut(
    allocation: Allocation, weights: dict[str, Tensor], budget: Budget, survivors: MaskSet | None = None
) -> Selection:
    """Magnitude selection without the guard against collapse, which may add to the count."""
    return select(
        weights, budget, Magnitude(), allocation, survivors=survivors, min_keep=0, generator=torch.Generator()
    )


def within(few: MaskSet, many: MaskSet) -> bool:
    """Whether every weight that ``few`` keeps is kept by ``many``."""
    return few.keys() <= many.keys() and not any(bool((mask & ~many[name]).any()) for name, mask in few.items())


class AllocationContract:
    def allocation(self) -> Allocation:
        raise NotImplementedError

    def count(self, density: float) -> int:
        """Weights kept of ``SIZES``; over all layers together unless the plug-in's test overrides this."""
        return count_for(density, sum(torch.Size(shape).numel() for shape in SIZES.values()))

    @given(density=densities, seed=st.integers(0, 20))
    @every_plugin
    def test_count_is_exact(self, density: float, seed: int) -> None:
        assert cut(self.allocation(), weights_of(seed), Budget("density", density)).masks.kept == self.count(density)

    @given(density=densities)
    @every_plugin
    def test_count_is_exact_when_all_weights_are_equal(self, density: float) -> None:
        weights = {name: torch.ones(shape) for name, shape in SIZES.items()}
        masks = cut(self.allocation(), weights, Budget("density", density)).masks
        assert masks.kept == self.count(density)
        for mask in masks.values():  # the lower index wins a tie
            kept = mask.flatten()
            assert bool(kept[: int(kept.sum())].all())

    @given(one=densities, other=densities, seed=st.integers(0, 20))
    @every_plugin
    def test_smaller_density_is_a_subset(self, one: float, other: float, seed: int) -> None:
        small, large = sorted((one, other))
        weights = weights_of(seed)
        few = cut(self.allocation(), weights, Budget("density", small)).masks
        many = cut(self.allocation(), weights, Budget("density", large)).masks
        assert within(few, many)

    @given(first=densities, second=densities, seed=st.integers(0, 20))
    @every_plugin
    def test_only_survivors_survive(self, first: float, second: float, seed: int) -> None:
        noise = torch.Generator().manual_seed(seed)
        survivors = MaskSet({n: torch.rand(shape, generator=noise) < first for n, shape in SIZES.items()})
        again = cut(self.allocation(), weights_of(seed), Budget("density", second), survivors).masks
        assert within(again, survivors)

    def test_density_one_keeps_everything(self) -> None:
        assert cut(self.allocation(), weights_of(0), Budget("density", 1.0)).masks.density == 1.0

    @given(density=densities, exponent=st.integers(-6, 6))
    @every_plugin
    def test_one_scale_for_all_layers_changes_nothing(self, density: float, exponent: int) -> None:
        weights = weights_of(5)
        scaled = {name: weight * 2.0**exponent for name, weight in weights.items()}
        budget = Budget("density", density)
        assert cut(self.allocation(), weights, budget).masks == cut(self.allocation(), scaled, budget).masks
