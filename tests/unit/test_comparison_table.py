"""Two sides, point by point: numbers worked out by hand, and what the table says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from analysis.comparison import table
from analysis.comparison.compared import TwoSides
from analysis.statistics import inference
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from tests.contracts.points import as_text, point, with_settings
from tests.unit.test_comparison_matching import sided

#: Test accuracies of seeds 0 to 2 of the first side, and what the second has more at each density.
BASE = (90.0, 91.0, 92.0)
Gains = Mapping[float, tuple[float, ...]]
MORE: Gains = {0.5: (1.0, 2.0, 3.0), 0.1: (0.0, 1.0, 5.0)}


def _curve(reg: str, more: Gains, **settings: Any) -> list[TradeoffPoint]:
    made = [
        point(reg=reg, seed=seed, density=density, dense=93.0, after=BASE[seed] + gain)
        for density, gains in more.items()
        for seed, gain in enumerate(gains)
    ]
    return [with_settings(one, **settings) for one in made]


def _nothing(more: Gains = MORE) -> Gains:
    return {density: (0.0,) * len(gains) for density, gains in more.items()}


def _compared(first: list[TradeoffPoint], second: list[TradeoffPoint]) -> TwoSides:
    return table.data(sided(first, second))


def _cells(made: TwoSides) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row) for row in table.sheet(made).rows]


def test_differences_are_of_the_same_seed_and_their_mean_is_over_budgets() -> None:
    made = _compared(_curve("l1", _nothing()), _curve("l2", MORE))
    mild, hard, mean = made.lines
    assert [line.budget for line in made.lines] == ["density=0.5", "density=0.1", ""]
    assert [(line.scores[0].mean, line.scores[1].mean) for line in made.lines] == [(91.0, 93.0)] * 3
    assert mean.budgets == 2
    alone = [inference.compare(given, 0.5) for given in ((1.0, 2.0, 3.0), (0.0, 1.0, 5.0), (0.5, 1.5, 4.0))]
    assert (mild.ahead, hard.ahead, mean.ahead) == inference.holm(alone)
    assert mild.ahead is not None
    assert (mild.ahead.n, mild.ahead.mean) == (3, 2.0)
    assert mild.ahead.high == pytest.approx(2.0 + 4.302653 / 3**0.5)  # t(2) at 97.5 %, standard deviation 1
    assert len(mild.runs) == 6


def test_seeds_and_budgets_of_one_side_do_not_count() -> None:
    first = [*_curve("l1", _nothing()), point(reg="l1", seed=7, density=0.5), point(reg="l1", density=0.02)]
    made = _compared(first, _curve("l2", MORE))
    assert {line.ahead.n for line in made.lines if line.ahead} == {3}
    assert made.left == (2, 0)
    assert "Not compared: 2 points of A, of a budget or seed that the other side lacks." in table.sheet(made).notes


def test_a_network_far_below_on_both_sides_has_no_say_in_the_mean() -> None:
    base, more = {0.5: (0.0,) * 3, 0.1: (0.0,) * 3, 0.02: (-60.0,) * 3}, {**MORE, 0.02: (-80.0, -30.0, -50.0)}
    made = _compared(_curve("l1", base), _curve("l2", more))
    assert made.lines[-1].budgets == 2
    assert made.out_of_range
    assert (
        "Not in a mean: budgets at which both sides have lost more than 5 points on average." in table.sheet(made).notes
    )


def test_several_pairs_have_a_mean_over_all() -> None:
    first = [*_curve("l1", _nothing()), *_curve("l1", _nothing(), criterion="random")]
    second = [*_curve("l2", MORE), *_curve("l2", {0.5: (-1.0, -1.0, -2.0)}, criterion="random")]
    made = _compared(first, second)
    assert [len(line.pairs) for line in made.lines] == [1, 1, 1, 1, 2]
    whole = made.lines[-1]
    assert (whole.budgets, len(whole.runs)) == (3, 18)
    assert whole.ahead is not None
    assert whole.ahead.mean == pytest.approx((0.0 + 2.0 / 3.0 + 2.0) / 3.0)  # of each seed the mean of three budgets
    cells = _cells(made)
    assert [row[:2] for row in cells] == [
        ("layer_magnitude", "0.5"), ("layer_magnitude", "0.1"), ("layer_magnitude", "mean of 2"), ("random", "0.5"),
        ("all", "mean of 3"),
    ]  # fmt: skip


def test_a_recipe_of_each_network_is_no_column() -> None:
    first, second = ([point(reg=reg, model=model) for model in ("lenet5", "vgg16")] for reg in ("l1", "l2"))
    made = table.sheet(_compared(first, second))
    assert made.header[:2] == ("Network", "Density")
    assert [row[0].text for row in made.rows] == ["LeNet-5", "VGG-16", "all"]


def test_the_better_side_is_bold_and_named() -> None:
    made = _compared(_curve("l1", {0.5: (0.0, 0.0, 0.0)}), _curve("l2", {0.5: (3.0, 3.1, 2.9)}))
    (row,) = table.sheet(made).rows
    told = ["0.5", "91.00 ± 1.00", "94.00 ± 0.95", "+3.00", "[+2.75, +3.25]", "3", "B better"]
    assert [cell.text for cell in row] == told
    assert [cell.bold for cell in row] == [False, False, True, False, False, False, False]
    made = _compared(_curve("l1", {0.5: (3.0, 3.1, 2.9)}), _curve("l2", {0.5: (0.0, 0.0, 0.0)}))
    (row,) = table.sheet(made).rows
    assert (row[1].bold, row[2].bold, row[6].text) == (True, False, "A better")


def test_less_perplexity_is_ahead() -> None:
    """7 against 14: half of it, 50 % better. The point's perplexity is 104 less the accuracy."""
    first = [as_text(point(reg="l1", seed=seed, after=90.0)) for seed in range(3)]
    second = [as_text(point(reg="l2", seed=seed, after=97.0)) for seed in range(3)]
    made = _compared(first, second)
    (line,) = made.lines
    assert line.ahead is not None
    assert line.ahead.mean == pytest.approx(50.0)
    assert line.ahead.verdict == "better"


def test_one_seed_gives_no_verdict() -> None:
    made = _compared([point(reg="l1")], [point(after=97.5)])
    assert _cells(made) == [("0.1", "96.50", "97.50", "+1.00", "–", "1", "n = 1: no verdict")]
    assert "A verdict takes 3 seeds that both sides have (seed=0,1,2)." in table.sheet(made).notes


def test_other_seeds_are_unpaired() -> None:
    made = _compared([point(reg="l1", seed=0), point(reg="l1", seed=1)], [point(seed=5, after=97.5)])
    assert _cells(made) == [("0.1", "96.50 ± 0.00", "97.50", "–", "–", "–", "unpaired: no verdict")]
    assert any(note.startswith("Unpaired: the sides share no seed there") for note in table.sheet(made).notes)
    (row,) = table.rows(made)
    assert (row["verdict"], row["n"], row["p"], row["first_n"], row["second_n"]) == ("unpaired", 0, None, 2, 1)


def test_what_differs_and_what_is_left_out_is_told() -> None:
    first = [*_curve("l1", MORE), *_curve("l1", MORE, mode="scratch_e"), *_curve("l1", MORE, criterion="random")]
    notes = table.sheet(_compared(first, _curve("l2", MORE))).notes
    assert notes[0].startswith("What differs: ")
    assert notes[0].endswith("(B).")
    method = "criterion layer_magnitude, schedule one-shot, mode fine-tuning"
    assert notes[1] == f"All lines: LeNet-5 on MNIST (5,000 digits), {method}."
    (left,) = (note for note in notes if note.startswith("Not compared"))
    assert left.startswith("Not compared: 12 points of A, of them those of 2 curves without a partner: ")


def test_a_curve_without_a_partner_is_told_from_those_that_have_one() -> None:
    made = _compared([*_curve("l1", MORE), *_curve("l1", MORE, criterion="random")], _curve("l2", MORE))
    (left,) = (note for note in table.sheet(made).notes if note.startswith("Not compared"))
    assert left == "Not compared: 6 points of A, of them those of 1 curve without a partner: random."


def test_sides_of_long_names_are_letters() -> None:
    frame = sided([point(reg="l1")], [point()])
    frame["side"] = frame["side"].map({"A": "demo6,reg=l1,schedule=one_shot", "B": "demo6,reg=l2"})
    made = table.sheet(table.data(frame))
    assert made.header == ("Density", "A", "B", "B ahead by", "95 % interval", "n", "Verdict")
    assert made.notes[0].startswith("A: demo6,reg=l1,schedule=one_shot. B: demo6,reg=l2. What differs: ")


def test_the_rows_have_everything_behind_a_line() -> None:
    made = _compared(_curve("l1", _nothing()), _curve("l2", MORE))
    found = list(table.rows(made))
    assert [(row["budget"], row["budgets"], row["ahead_mean"], row["n"]) for row in found] == [
        ("density=0.5", 1, 2.0, 3), ("density=0.1", 1, 2.0, 3), ("mean", 2, 2.0, 3),
    ]  # fmt: skip
    assert "reg=l1" in found[0]["first_conditions"]
    assert "reg=l2" in found[0]["second_conditions"]


def test_sides_without_a_budget_in_common_are_one_sentence() -> None:
    with pytest.raises(UserError) as caught:
        _compared([point(reg="l1", density=0.5)], [point(density=0.1)])
    assert str(caught.value) == (
        "the sides share no point: no budget is that of both of two curves (A has density=0.5; B has density=0.1)."
    )
