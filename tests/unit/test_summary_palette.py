"""Colours of curves: the paper's where it has them, others that are told apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from pruneexp.summary.palette import FIGURE_5, LEVELS, colour

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


#: Machado, Oliveira and Fernandes 2009, Table 1, severity 1: what each eye sees, on linear RGB.
EYES = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
#: From linear RGB to XYZ of D65 (IEC 61966-2-1), by the white of which CIELAB divides.
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
#: Distances of CIELAB: 2 is a just noticeable difference, 10 is seen at a glance.
APART, FROM_WHITE = 29.0, 40.0
CURVES_OF_THE_PAPER = [FIGURE_5[reg, moment] for reg in ("l1", "l2") for moment in ("before", "after", "rounds")]


def lab(text: str, eye: str) -> np.ndarray:
    coded = np.array(rgb(text)) / 255.0
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    seen = XYZ @ np.clip(EYES[eye] @ linear, 0.0, 1.0) / (XYZ @ np.ones(3))
    x, y, z = np.where(seen > 216 / 24389, np.cbrt(seen), (24389 / 27 * seen + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_lab_by_hand() -> None:
    assert lab("#ffffff", "full") == pytest.approx([100.0, 0.0, 0.0], abs=1e-6)
    assert lab("#ff0000", "full") == pytest.approx([53.24, 80.09, 67.20], abs=0.01)  # as colour tables print it
    assert np.linalg.norm(lab("#d32f2f", "full") - lab("#388e3c", "full")) > 100
    assert np.linalg.norm(lab("#b35900", "deuteranopia") - lab("#7f7f00", "deuteranopia")) < 12  # one to such an eye


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("colours", [CURVES_OF_THE_PAPER, LEVELS], ids=["the paper's", "levels"])
def test_curves_are_told_apart_by_every_eye(colours: Sequence[str], eye: str) -> None:
    seen = [lab(text, eye) for text in colours]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > APART
    assert min(np.linalg.norm(one - lab("#ffffff", eye)) for one in seen) > FROM_WHITE
