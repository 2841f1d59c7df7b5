"""The paper's claims, tried on points whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.claimed import Tried
from analysis.tables import claims
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point

L1, L2, ITERATIVE = ("l1", "one_shot"), ("l2", "one_shot"), ("l2", "progressive")
BEFORE, AFTER, LOW, HALF, FREE = (
    "without retraining, L1 beats L2",
    "with retraining, L2 beats L1",
    "at low density, iterative pruning beats pruning at once (L2)",
    "half of the weights go for free, even without retraining (L2)",
    "iterative pruning under L2 gives 10× for free",
)
#: What sets seeds apart; its mean is 0, its standard deviation 0.1.
SCATTER = (-0.1, 0.0, 0.1)


def one(
    curve: tuple[str, str], density: float, seed: int, before: float, after: float, dense: float = 97.0
) -> TradeoffPoint:
    reg, schedule = curve
    return point(reg=reg, schedule=schedule, density=density, seed=seed, before=before, after=after, dense=dense)


def study() -> list[LoggedPoint]:
    """L1 is better before; after, L2 is; iterative is better still, and loses nothing at 0.1; 0.5 untrained costs 4."""
    made = []
    for seed, off in enumerate(SCATTER):
        for density in (0.5, 0.1):
            made += [one(L1, density, seed, 95.0 + off, 94.0 - off), one(L2, density, seed, 93.0, 96.0)]
        made += [one(ITERATIVE, 0.1, seed, 93.0, 97.0 + off / 2.0)]
    return logged(*made)


class TestClaims(TableContract):
    name: ClassVar[str] = "claims"
    records = staticmethod(study)


def made_of(points: Sequence[LoggedPoint], **options: Any) -> claims.Claims:
    return claims.data(selection.latest(frames.frame(points)), **options)


def tried(points: Sequence[LoggedPoint], **options: Any) -> dict[str, Tried]:
    return {one.claim: one for one in made_of(points, **options).tried}


def verdicts(points: Sequence[LoggedPoint], **options: Any) -> dict[str, str]:
    return {claim: one.difference.said(claims.VERDICTS) for claim, one in tried(points, **options).items()}


def test_verdicts_by_hand() -> None:
    holding = dict.fromkeys((BEFORE, AFTER, LOW, FREE), "holds")
    assert verdicts(study()) == {**holding, HALF: "does not hold"}
    found = tried(study())
    assert [round(one.difference.mean, 9) for one in found.values()] == [2.0, 2.0, 1.0, -4.0, 0.0]
    assert found[BEFORE].changes == pytest.approx((-2.0, -4.0))


def test_differences_are_paired_by_seed_and_averaged_over_densities() -> None:
    # every seed is 2 ahead at one density and 4 at the other, at a level of its own
    levels = (90.0, 80.0, 70.0)
    points = [one(L1, density, seed, level + ahead, 96.0, level + 5.0) for seed, level in enumerate(levels)
              for density, ahead in ((0.5, 2.0), (0.2, 4.0))]  # fmt: skip
    points += [one(L2, density, seed, level, 96.0, level + 5.0) for seed, level in enumerate(levels)
               for density in (0.5, 0.2)]  # fmt: skip
    of = tried(logged(*points))[BEFORE]
    assert (of.difference.n, of.difference.mean, of.difference.std) == (3, 3.0, 0.0)
    assert [(trial.budget, trial.difference.mean) for trial in of.trials] == [
        ("density=0.5", 2.0),
        ("density=0.2", 4.0),
    ]


def test_accuracies_are_compared_and_not_changes() -> None:
    # L2 loses less against its own dense network, which is 3 points worse than that of L1
    points = [(one(L1, 0.5, seed, 90.0, 96.0 + off, 97.0), one(L2, 0.5, seed, 80.0, 94.0 - off, 94.0 - off))
              for seed, off in enumerate(SCATTER)]  # fmt: skip
    of = tried(logged(*(each for pair in points for each in pair)))[AFTER]
    assert of.difference.mean == pytest.approx(-2.0)
    assert of.difference.said(claims.VERDICTS) == "does not hold"
    assert of.changes == pytest.approx((0.0, -1.0))


def test_a_penalty_may_have_a_learning_rate_of_its_own() -> None:
    made = []
    for seed, off in enumerate(SCATTER):
        slower = one(L1, 0.5, seed, 94.0, 94.0)
        made += [replace(slower, identity=replace(slower.identity, reg_lr_factor=0.5))]
        made += [one(L2, 0.5, seed, 94.0, 96.0 + off)]
    assert tried(logged(*made))[AFTER].difference.mean == pytest.approx(2.0)


def test_the_opposite_is_said() -> None:
    points = [each for seed, off in enumerate(SCATTER)
              for each in (one(L1, 0.5, seed, 92.0 + off, 97.0), one(L2, 0.5, seed, 95.0, 95.0 + off))]  # fmt: skip
    assert set(verdicts(logged(*points)).values()) == {"does not hold"}


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_or_two_seeds_have_no_verdict(seeds: int) -> None:
    points = [logged_ for logged_ in study() if logged_.point.identity.seed < seeds]
    assert set(verdicts(points).values()) == {f"n = {seeds}: no verdict"}
    notes = " ".join(claims.sheet(made_of(points)).notes)
    assert "A verdict takes 3 seeds" in notes
    assert "Holm" not in notes


def test_a_seed_is_one_number_of_the_densities_that_all_seeds_have() -> None:
    extra = logged(one(L1, 0.3, 0, 99.0, 60.0), one(L2, 0.3, 0, 60.0, 99.0))
    with_extra = [*study(), *(row._replace(run_id=f"extra{place}") for place, row in enumerate(extra))]
    assert tried(with_extra)[AFTER].difference == tried(study())[AFTER].difference
    assert [trial.counted for trial in tried(with_extra)[AFTER].trials] == [True, False, True]


def test_densities_at_which_both_have_collapsed_do_not_count() -> None:
    dead = [one(curve, 0.02, seed, 10.0 + 30.0 * (seed == 0 and curve == L2), 95.0) for curve in (L1, L2)
            for seed in range(3)]  # fmt: skip
    dead_too = [row._replace(run_id=f"dead{place}") for place, row in enumerate(logged(*dead))]
    found = tried([*study(), *dead_too])
    assert found[BEFORE].difference.mean == pytest.approx(2.0)
    assert [trial.counted for trial in found[BEFORE].trials] == [True, True, False]
    assert [trial.counted for trial in found[AFTER].trials] == [True, True, True]  # retrained, they are alive


def test_a_claim_that_no_density_decides_is_said() -> None:
    points = [one(curve, 0.05, seed, 20.0, 96.0 - off) for curve in (L1, L2) for seed, off in enumerate(SCATTER)]
    made = made_of(logged(*points))
    assert [one.claim for one in made.tried] == [AFTER]
    (note,) = made.untried
    assert note.startswith(f"'{BEFORE}' is not tried on the pair of curves of lenet5 on mnist5k: they share no")
    assert note in claims.sheet(made).notes


def test_for_free_is_a_loss_that_is_surely_within_the_margin() -> None:
    def free(loss: float, **options: Any) -> str:
        points = [one(ITERATIVE, 0.1, seed, 60.0, 97.0 - loss + 2.0 * off) for seed, off in enumerate(SCATTER)]
        return verdicts(logged(*points), **options)[FREE]

    # the interval is the mean ± 0.50
    assert free(-3.0) == free(-0.8) == "holds"
    assert free(0.3) == "no evidence, near the line"
    assert free(0.3, margin=2.0) == "holds"
    assert free(2.0) == "does not hold"


def test_the_margin_is_that_of_the_test_set() -> None:
    def of(examples: int | None) -> claims.Claims:
        return made_of([row._replace(point=replace(row.point, result=replace(row.point.result, test_examples=examples)))
                        for row in study()])  # fmt: skip

    assert [made.tried[0].difference.margin for made in map(of, (None, 10_000, 1_000))] == [0.5, 0.5, 1.0]
    assert "surely within ±1 point;" in claims.sheet(of(1_000)).notes[1]
    last = claims.sheet(of(1_000)).notes[-1]
    assert last.startswith("Other test images would move every accuracy, with any number of seeds: by ±1.1 points ")
    assert "(95 %)" in last
    assert not any("Other test" in note for note in claims.sheet(of(None)).notes)


def test_a_margin_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"--margin=-1: a margin of equivalence is a number above 0\."):
        made_of(study(), margin=-1.0)


def test_holm_counts_the_claims_of_the_whole_table() -> None:
    alone = tried(study())[LOW].difference
    other = [row._replace(run_id=f"other{place}", point=replace(row.point, identity=replace(
        row.point.identity, model="lenet_300_100"))) for place, row in enumerate(study())]  # fmt: skip
    both = [one.difference for one in made_of([*study(), *other]).tried if one.claim == LOW]
    assert {one.mean for one in both} == {alone.mean}
    assert alone.p is not None
    assert all(one.p is not None and one.p > alone.p for one in both)


def test_the_table_as_it_is_read() -> None:
    table = claims.sheet(made_of(study()))
    assert table.title == "What the paper reads off its Figure 5, tried with LeNet-5 on MNIST (5,000 digits)"
    assert table.header[0] == "Claim of Han et al. 2015 (AlexNet)"
    assert [cell.text for cell in table.rows[0]] == [
        BEFORE, "0.5 to 0.1 (2 of 2)", "3", "+2.00 [+1.75, +2.25]", "+2.0", "−2.0 / −4.0", "holds", ""
    ]  # fmt: skip
    assert [cell.text for cell in table.rows[4]][3:7] == ["0 [−0.12, +0.12]", "0", "0", "holds"]


def test_rows_have_every_density_and_all_together() -> None:
    rows = [row for row in claims.rows(made_of(study())) if row["claim"] == AFTER]
    assert [(row["budget"], row["counted"], row["verdict"]) for row in rows] == [
        ("density=0.5", 1, ""), ("density=0.1", 1, ""), ("all", 1, "holds"),
    ]  # fmt: skip
    assert rows[-1]["change_worse"] == pytest.approx(-3.0)


def test_a_side_alone_is_no_trial() -> None:
    with pytest.raises(UserError, match="no claim can be tried"):
        tried(logged(one(L1, 0.5, 0, 70.0, 97.0)))


def test_settings_that_differ_are_not_compared() -> None:
    mixed = logged(
        one(L1, 0.4, 0, 70.0, 97.0),
        point(reg="l2", density=0.4, before=80.0, after=96.0, criterion="random"),
    )
    with pytest.raises(UserError, match="no claim can be tried"):
        tried(mixed)
