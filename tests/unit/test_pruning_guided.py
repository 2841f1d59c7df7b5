"""Guided designs: what a pattern leaves of each stage, counted by hand, and what does not fit it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pruneexp.errors import UserError
from pruneexp.pruning.allocations.guided import Guided
from pruneexp.pruning.criteria.random import Random
from pruneexp.pruning.guides import map_size, read_guide
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.ranking import best_of_places
from pruneexp.pruning.select import Selection, select
from pruneexp.pruning.units.row import Row
from pruneexp.schema import Budget

MAPS = {"a": 196, "b": 196, "c": 49}
CENTRE = [[0.0, 0.5, 0.0], [0.5, 1.0, 0.5], [0.0, 0.5, 0.0]]


def pattern(*stages: dict[str, Any], budget: str = "density=0.5") -> dict[str, Any]:
    return {"source": "vgg/digits", "budgets": {budget: {"points": ["1f"], "stages": list(stages)}}}


FIRST = {"channels": 0.5, "kernels": {"3x3": CENTRE}}
SECOND = {"channels": 0.25, "kernels": {"3x3": [[1.0] * 3] * 3, "1x1": [[0.75]]}}


def weights() -> dict[str, Tensor]:
    return {"a": torch.randn(8, 1, 3, 3), "b": torch.randn(6, 8, 3, 3), "c": torch.randn(12, 6, 1, 1)}


HALF = Budget("density", 0.5)


def cut(guided: Guided, budget: Budget = HALF, *, seed: int = 0, **options: Any) -> Selection:
    noise = torch.Generator().manual_seed(seed)
    return select(weights(), budget, Random(), guided, min_keep=0, generator=noise, **options)


def test_each_place_of_a_kernel_keeps_the_share_of_its_stage_by_lot() -> None:
    guided = Guided(pattern(FIRST, SECOND), MAPS)
    masks = cut(guided).masks
    assert masks["a"].sum((0, 1)).tolist() == [[0, 4, 0], [4, 8, 4], [0, 4, 0]]  # of 8 kernels
    assert masks["b"].sum((0, 1)).tolist() == [[0, 24, 0], [24, 48, 24], [0, 24, 0]]  # of 48
    assert int(masks["c"].sum()) == 54  # 0.75 * 72
    assert cut(guided).masks == masks
    assert cut(guided, seed=1).masks != masks


def test_layers_of_a_stage_keep_its_share_of_their_own_channels() -> None:
    masks = cut(Guided(pattern(FIRST, SECOND), MAPS), unit=Row()).masks
    rows = {name: int(mask.flatten(1).any(1).sum()) for name, mask in masks.items()}
    assert rows == {"a": 4, "b": 3, "c": 3}


def test_only_survivors_survive() -> None:
    survivors = MaskSet({name: torch.rand(weight.shape) < 0.5 for name, weight in weights().items()})
    masks = cut(Guided(pattern(FIRST, SECOND), MAPS), survivors=survivors).masks
    assert not any(bool((mask & ~survivors[name]).any()) for name, mask in masks.items())


def test_the_highest_of_each_place_stay() -> None:
    scores = torch.tensor([[[[1.0, 8.0]], [[3.0, 6.0]]], [[[2.0, 7.0]], [[4.0, 5.0]]]])  # (2, 2, 1, 2)
    found = best_of_places(scores, torch.ones_like(scores, dtype=torch.bool), (1, 3))
    assert (found * scores).flatten(2).sum((0, 1)).tolist() == [4.0, 8.0 + 7.0 + 6.0]


@pytest.mark.parametrize("budget", [Budget("density", 1.0), Budget("units", 1.0)])
def test_a_budget_that_prunes_nothing_keeps_all(budget: Budget) -> None:
    unit = Row() if budget.kind == "units" else None
    assert cut(Guided(pattern(FIRST, SECOND), MAPS), budget, unit=unit).masks.density == 1.0


def test_sparse_structures_of_which_training_decided_are_patterns_too() -> None:
    guided = Guided(pattern(FIRST, SECOND, budget="units=1"), MAPS)
    assert cut(guided, Budget("units", 1.0), unit=Row()).masks.density < 1.0


@pytest.mark.parametrize(
    ("stages", "budget", "unit", "maps", "told"),
    [
        ([FIRST], 0.5, "weight", MAPS, "stages of the pattern: 1; of the network: 2, whose convolutions give"),
        ([SECOND, FIRST], 0.5, "weight", MAPS, "layer c has kernels of 1x1, and its stage of the pattern has 3x3$"),
        ([FIRST, SECOND], 0.2, "row", MAPS, "nothing for density=0.2: it was made of points at density=0.5$"),
        ([FIRST, SECOND], 0.5, "channel", MAPS, "density=0.5 asked for, but channels go by a pattern at 'curve.units="),
        ([FIRST, SECOND], 0.5, "block", MAPS, "shares of channels and .*, and criterion.unit is a block$"),
        ([FIRST, SECOND], 0.5, "weight", {"a": 196, "b": 49}, "a pattern is one of convolutions, and c are none"),
    ],
)
def test_what_does_not_fit_is_said(
    stages: list[dict[str, Any]], budget: float, unit: str, maps: dict[str, int], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        Guided(pattern(*stages), maps).check(weights(), [Budget("density", budget)], unit)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"budgets": {"units=0.5": {}}}, pattern({"channels": 2, "kernels": {}}), pattern({"kernels": {}})],
    ids=["empty", "no stages", "no share", "no channels"],
)
def test_what_is_no_pattern_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^this is no pattern as `python -m pruneexp.export POINT --pattern FILE`"):
        Guided(wrong)


def test_files_that_are_none_are_refused(tmp_path: Any) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("units")
    wrong = {"list.json": "is no pattern", "text.json": "cannot be read", "none.json": "cannot be read"}
    for name, sentence in wrong.items():
        with pytest.raises(UserError, match=sentence):
            read_guide(str(tmp_path / name))
    with pytest.raises(UserError, match=r"^criterion.allocation.pattern is missing: name the file of a pattern"):
        read_guide(None)


def test_the_size_of_a_map_follows_from_flop() -> None:
    assert map_size(flop=2.0 * 14 * 14 * 8 * 9, weights=8 * 9) == 196
