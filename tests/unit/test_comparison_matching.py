"""Which curves of two sides belong together, and what is said where none do."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.records import frames
from analysis.statistics.matching import SIDE, matching
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from tests.contracts.points import as_text, logged, point, with_settings


def sided(first: list[TradeoffPoint], second: list[TradeoffPoint]) -> pd.DataFrame:
    """The frame of two sides, A and B."""
    made = logged(*first, *second)
    parts = made[: len(first)], made[len(first) :]
    return pd.concat(
        [frames.frame(part).assign(**{SIDE: name}) for part, name in zip(parts, "AB", strict=True)], ignore_index=True
    )


def _pairs(first: list[TradeoffPoint], second: list[TradeoffPoint], *names: str) -> list[tuple[object, ...]]:
    """The pairs, each by these settings of its first and of its second curve."""
    found = matching(sided(first, second)).pairs
    return [tuple(key[name] for key in pair.sides for name in names) for pair in found]


def test_curves_agree_in_what_both_sides_have() -> None:
    first = [point(reg="l1", schedule=schedule) for schedule in ("one_shot", "progressive")]
    second = [point(reg="l2", schedule=schedule) for schedule in ("progressive", "one_shot")]
    assert _pairs(first, second, "reg", "schedule") == [
        ("l1", "one_shot", "l2", "one_shot"),
        ("l1", "progressive", "l2", "progressive"),
    ]
    (pair, _) = matching(sided(first, second)).pairs
    assert pair.differing == ("reg", "reg_strength")
    assert pair.named == ("reg", "reg_strength")


def test_curves_without_a_partner_are_told() -> None:
    first = [point(criterion=name) for name in ("random", "layer_std")]
    second = [point(criterion=name, mode="scratch_e") for name in ("layer_std", "layer_magnitude")]
    found = matching(sided(first, second))
    assert [(pair.first["criterion"], pair.second["criterion"]) for pair in found.pairs] == [("layer_std", "layer_std")]
    assert [[key["criterion"] for key in keys] for keys in found.alone] == [["random"], ["layer_magnitude"]]


def test_one_curve_may_be_the_baseline_of_several() -> None:
    first, second = [point()], [point(criterion=name) for name in ("random", "layer_std")]
    pairs = _pairs(first, second, "criterion")
    assert sorted(pairs) == [("layer_magnitude", "layer_std"), ("layer_magnitude", "random")]


def test_settings_of_one_network_do_not_match_those_of_another() -> None:
    """Of each network both sides have strengths of their own: they differ, though another network has the same one."""
    first, second = (
        [with_settings(point(model=model), reg_strength=strength) for model, strength in strengths.items()]
        for strengths in ({"lenet5": 1e-4, "vgg16": 1e-3}, {"lenet5": 1e-3, "vgg16": 1e-4})
    )
    assert sorted(_pairs(first, second, "model")) == [("lenet5", "lenet5"), ("vgg16", "vgg16")]


def test_networks_are_compared_where_the_sides_have_none_in_common() -> None:
    assert _pairs([point(model="lenet5")], [point(model="vgg16")], "model") == [("lenet5", "vgg16")]


def test_the_same_settings_on_both_sides_differ_in_nothing() -> None:
    (pair,) = matching(sided([point()], [point()])).pairs
    assert pair.differing == pair.named == ()


def test_a_hash_is_named_only_where_nothing_else_differs() -> None:
    hashed = with_settings(point(), prune_settings="aaaa")
    (pair,) = matching(sided([hashed], [with_settings(hashed, prune_settings="bbbb")])).pairs
    assert pair.named == ("prune_settings",)
    (pair,) = matching(sided([hashed], [with_settings(hashed, prune_settings="bbbb", min_keep=8)])).pairs
    assert pair.named == ("min_keep",)
    (pair,) = matching(sided([hashed], [with_settings(hashed, prune_settings="bbbb", retrain_epochs=8)])).pairs
    assert pair.named == ("retrain_epochs",)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (
            [point()],
            [point(data="mnist")],
            "the sides share no point: A has data mnist5k and B mnist, and scores on different data are not compared.",
        ),
        (
            [point()],
            [as_text(point())],
            "the sides share no point: A has task none and B language_model, and scores on different metrics are",
        ),
        (
            [point(reg="l1", criterion="random"), point(reg="l2", criterion="layer_std")],
            [point(reg="l1", criterion="layer_std"), point(reg="l2", criterion="random")],
            "no curve of A agrees with one of B in the settings that both sides have: A has, for example, ",
        ),
        (
            [point(reg="l1", criterion="random"), point(reg="l1", criterion="layer_std")],
            [point(reg="l2", criterion="layer_magnitude"), point(reg="l2", criterion="global_magnitude")],
            "A holds 2 curves that may be compared with any of 2 of B: choose by criterion (criterion is layer_std, ",
        ),
    ],
)
def test_what_cannot_be_matched_is_one_sentence(
    first: list[TradeoffPoint], second: list[TradeoffPoint], told: str
) -> None:
    with pytest.raises(UserError) as caught:
        matching(sided(first, second))
    assert str(caught.value).startswith(told)
