"""Colours of curves: the paper's where it has them, others that are told apart."""

from __future__ import annotations

import itertools

import pytest

from pruneexp.summary.palette import FIGURE_5, colour

GROUPS = {
    "reg": ("l1", "l2", "none", "l1_then_l2"),
    "when": ("one_shot", "iterative", "progressive"),
    "mode": ("prune", "scratch_e", "scratch_b", "rewind"),
    "criterion": ("layer_std", "layer_magnitude", "global_magnitude", "random", "stochastic_magnitude"),
}


def rgb(text: str) -> tuple[int, ...]:
    return tuple(int(text[place : place + 2], 16) for place in (1, 3, 5))


def distance(one: str, other: str) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(rgb(one), rgb(other), strict=True)) ** 0.5)


def test_curves_of_the_paper_have_its_colours_by_moment_and_by_schedule() -> None:
    assert {look: colour(*look) for look in FIGURE_5} == FIGURE_5
    assert colour("l2", "one_shot", "prune", "layer_std") == FIGURE_5["l2", "after"]
    assert colour("l1", "iterative") == FIGURE_5["l1", "rounds"]


@pytest.mark.parametrize("group", GROUPS)
def test_choices_of_one_group_look_different_whatever_the_others_are(group: str) -> None:
    rest = [name for name in GROUPS if name != group]
    for values in itertools.product(*(GROUPS[name] for name in rest)):
        drawn = [colour(**dict(zip(rest, values, strict=True)), **{group: choice}) for choice in GROUPS[group]]
        assert min(distance(*pair) for pair in itertools.combinations(drawn, 2)) > 50


def test_a_choice_that_nobody_has_listed_gets_a_colour_of_its_own() -> None:
    known = [colour("l2", "one_shot", mode) for mode in GROUPS["mode"]]
    assert colour("l2", "one_shot", "mine") == colour("l2", "after", "mine")
    assert colour("l2", "one_shot", "mine") not in known
    assert all(sum(rgb(colour("l2", "one_shot", f"mode {number}"))) < 2 * 255 for number in range(50))  # not pale
