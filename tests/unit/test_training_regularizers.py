"""Penalties: the contract of all, the formula of each."""

from __future__ import annotations

import math

import pytest
import torch

from pruneexp.training.regularizers import (
    L1,
    L2,
    L1AndL2,
    NoPenalty,
    Penalty,
    ScaleL1,
    ScaleShrinkage,
    Slimming,
    SparseStructure,
    WeightDecay,
    parts_of,
    reach_of,
)
from tests.contracts.regularizers import PenaltyContract


class TestL1(PenaltyContract):
    def penalty(self) -> Penalty:
        return L1(0.25)

    def test_is_strength_times_sign(self) -> None:
        gradient = torch.tensor([1.0, 1.0, 1.0])
        L1(0.25).add_gradient_([torch.tensor([-3.0, 0.0, 1e-20])], [gradient])
        assert gradient.tolist() == [0.75, 1.0, 1.25]


class TestL2(PenaltyContract):
    def penalty(self) -> Penalty:
        return L2(0.25)

    def test_is_strength_times_weight(self) -> None:
        gradient = torch.tensor([1.0, 1.0, 1.0])
        L2(0.25).add_gradient_([torch.tensor([-4.0, 0.0, 2.0])], [gradient])
        assert gradient.tolist() == [0.0, 1.0, 1.5]


class TestWeightDecay(PenaltyContract):
    def penalty(self) -> Penalty:
        return WeightDecay(0.25)

    def test_is_l2_on_other_parameters(self) -> None:
        assert reach_of(WeightDecay(0.25)) == "parameters"
        assert {reach_of(penalty) for penalty in (L1(0.25), L2(0.25), NoPenalty())} == {"weights"}
        assert WeightDecay(0.25) != L2(0.25)


class TestNoPenalty(PenaltyContract):
    def penalty(self) -> Penalty:
        return NoPenalty()

    def test_adds_nothing(self) -> None:
        gradient = torch.tensor([1.0, -2.0])
        NoPenalty().add_gradient_([torch.tensor([5.0, 5.0])], [gradient])
        assert gradient.tolist() == [1.0, -2.0]


class TestScaleL1(PenaltyContract):
    def penalty(self) -> Penalty:
        return ScaleL1(0.25)

    def test_is_l1_on_scales(self) -> None:
        assert reach_of(ScaleL1(0.25)) == "channel_scales"


class TestScaleShrinkage(PenaltyContract):
    def penalty(self) -> Penalty:
        return ScaleShrinkage(0.25, "block_scales")


def test_slimming_is_l1_on_scales_beside_weight_decay() -> None:
    assert parts_of(Slimming(0.25, weight_decay=0.5)) == (ScaleL1(0.25), WeightDecay(0.5))
    assert parts_of(L1(0.25)) == (L1(0.25),)
    assert parts_of(L1AndL2(0.25, l2_strength=0.5)) == (L1(0.25), L2(0.5))


def test_sparse_structure_shrinks_the_scales_that_it_is_asked_to() -> None:
    both, decay = SparseStructure(0.25, weight_decay=0.5), WeightDecay(0.5)
    blocks = ScaleShrinkage(0.25, "block_scales")
    assert both.parts == (ScaleShrinkage(0.25, "channel_scales"), blocks, decay)
    assert SparseStructure(0.25, weight_decay=0.5, channels=False).parts == (blocks, decay)
    with pytest.raises(ValueError, match=r"channels and blocks are both false"):
        SparseStructure(0.25, weight_decay=0.5, channels=False, blocks=False)


def test_both_at_once_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"l2_strength is -1; allowed is a finite number >= 0"):
        L1AndL2(0.25, l2_strength=-1)


@pytest.mark.parametrize("kind", [Slimming, SparseStructure])
def test_weight_decay_out_of_range(kind: type[Slimming] | type[SparseStructure]) -> None:
    with pytest.raises(ValueError, match=r"weight_decay is -1; allowed is a finite number >= 0"):
        kind(0.25, weight_decay=-1)


@pytest.mark.parametrize("kind", [L1, L2, WeightDecay, ScaleL1, ScaleShrinkage])
@pytest.mark.parametrize("strength", [-1e-9, math.nan, math.inf])
def test_strength_out_of_range(kind: type[L1] | type[L2] | type[ScaleShrinkage], strength: float) -> None:
    with pytest.raises(ValueError, match=r"strength is .*; allowed is a finite number >= 0"):
        kind(strength)
