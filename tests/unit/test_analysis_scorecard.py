"""The claims of Liu et al. 2019 from hand-made points: what speaks for them and what against, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.records import frames
from analysis.statistics import evidence
from analysis.tables import scorecard
from pruneexp.errors import UserError
from pruneexp.schema import Effort, Ledger, TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point, with_settings

#: FLOP of the dense network, of fine-tuning, and from scratch.
DENSE, TUNING, FRESH = 100.0, 20.0, {"scratch_e": 50.0, "scratch_b": 90.0}
OFFS = (0.0, 0.02, -0.02)


def spent(mode: str, after: float, **choices: Any) -> list[TradeoffPoint]:
    """Three seeds with hardly any scatter."""
    ledger = Ledger(dense=Effort(flop=DENSE), retrain=Effort(flop=TUNING), scratch=Effort(flop=FRESH.get(mode, 0.0)))
    if mode in FRESH:
        ledger = replace(ledger, retrain=Effort())
    made = [point(mode=mode, seed=seed, after=after + off * (mode != "prune"), **choices)
            for seed, off in enumerate(OFFS)]  # fmt: skip
    known = {"global_magnitude": "discovered", "random": "predefined"}
    return [
        replace(
            one,
            identity=replace(one.identity, targets=known.get(one.identity.criterion)),
            result=replace(one.result, ledger=ledger),
        )
        for one in made
    ]


def study() -> list[LoggedPoint]:
    """At 0.5 fresh weights do as well, at 0.125 they are worse; global pruning finds better networks than the lot."""
    made = []
    for density, behind in ((0.5, 0.0), (0.125, 3.0)):
        choices = {"density": density, "criterion": "global_magnitude"}
        for mode in ("prune", "scratch_e", "scratch_b", "rewind"):
            made += spent(mode, 96.0 - behind * (mode in FRESH), **choices)
        made += spent("scratch_e", 92.0, density=density, criterion="random")
    return logged(*made)


class TestScorecard(TableContract):
    name = "scorecard"
    records = staticmethod(study)


def _stances(points: list[LoggedPoint]) -> dict[tuple[str, float], str]:
    made = scorecard.data(frames.frame(points))
    return {(one.thesis.text, one.densities[0]): one.stance for one in made.evidence}


def test_what_speaks_for_each_claim_and_what_against() -> None:
    assert _stances(study()) == {
        (evidence.LARGE_FIRST.text, 0.5): "for",
        (evidence.LARGE_FIRST.text, 0.125): "against",
        (evidence.INHERITED.text, 0.5): "for",
        (evidence.INHERITED.text, 0.125): "against",
        (evidence.INITIAL.text, 0.5): "for",
        (evidence.INITIAL.text, 0.125): "against",
        (evidence.ARCHITECTURE.text, 0.5): "for",
        (evidence.ARCHITECTURE.text, 0.125): "for",
        (evidence.GIVEN.text, 0.5): "for",
        (evidence.GIVEN.text, 0.125): "for",
        (evidence.SIZES.text, 0.5): "for",
    }


def test_costs_by_hand() -> None:
    made = scorecard.data(frames.frame(study()))
    costs = {one.thesis.text: one.flop for one in made.evidence if one.flop is not None}
    assert costs[evidence.GIVEN.text] == pytest.approx(TUNING / 50.0)
    assert costs[evidence.SIZES.text] == pytest.approx((DENSE + 2 * TUNING) / (2 * 90.0))
    (sizes,) = [one for one in made.evidence if one.thesis == evidence.SIZES]
    assert sizes.densities == (0.5, 0.125)
    assert sizes.difference.mean == pytest.approx(1.5)  # fine-tuned it is as good at 0.5, and 3 ahead at 0.125
    assert sizes.stance == "for"


def test_the_given_network_is_the_same_comparison_from_the_other_side() -> None:
    made = scorecard.data(frames.frame(study()))
    by_thesis = {one.thesis: one.difference for one in made.evidence if one.densities == (0.125,)}
    inherited, given = by_thesis[evidence.INHERITED], by_thesis[evidence.GIVEN]
    assert (inherited.verdict, given.verdict) == ("worse", "no worse")
    assert (given.mean, given.low, given.high) == (-inherited.mean, -(inherited.high or 0), -(inherited.low or 0))


def test_the_sheet_by_hand() -> None:
    sheet = scorecard.sheet(scorecard.data(frames.frame(study())))
    first, second = ([cell.text for cell in row] for row in sheet.rows[:2])
    mean = "mean −1.50 [−1.55, −1.45]: against (worse)"
    assert first == [evidence.LARGE_FIRST.text, "all", "1", "1", "0", mean, ""]
    assert second == ["", "global_magnitude", "0.5", "0.125", "–", "−3.00 [−3.05, −2.95]", ""]
    assert sheet.title.endswith("tried with LeNet-5 on MNIST (5,000 digits): top-1 accuracy on test, %")
    assert sum("Holm over the 11 verdicts" in note for note in sheet.notes) == 1


def test_networks_of_other_sizes_are_not_compared() -> None:
    made = [one for mode, after, criterion in (("scratch_e", 96.0, "global_magnitude"), ("scratch_e", 92.0, "random"),
                                               ("prune", 96.0, "random"))
            for one in spent(mode, after, criterion=criterion, density=0.125)]  # fmt: skip
    smaller = [replace(one, result=replace(one.result, weights_kept=900)) if one.identity.criterion == "random" else one
               for one in made]  # fmt: skip
    assert (evidence.ARCHITECTURE.text, 0.125) in _stances(logged(*made))
    assert (evidence.ARCHITECTURE.text, 0.125) not in _stances(logged(*smaller))


def test_two_seeds_leave_a_claim_open() -> None:
    points = [one for one in study() if one.point.identity.seed < 2]
    assert set(_stances(points).values()) == {"open"}


def test_dearer_fine_tuning_speaks_against_it() -> None:
    dear = Ledger(dense=Effort(flop=DENSE), retrain=Effort(flop=60.0))
    made = [replace(one.point, result=replace(one.point.result, ledger=dear))
            if one.point.identity.mode == "prune" else one.point for one in study()]  # fmt: skip
    assert _stances(logged(*made))[evidence.GIVEN.text, 0.5] == "against"


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(UserError, match=r"^no claim can be tried: .* mode=prune,scratch_e,scratch_b makes them\.$"):
        scorecard.data(frames.frame(logged(point(), point(seed=1))))


def test_records_may_say_which_sizes_were_discovered() -> None:
    made = [*spent("scratch_e", 96.0, criterion="mine"), *spent("scratch_e", 92.0, criterion="his"),
            *spent("prune", 96.0, criterion="his")]  # fmt: skip
    frame = frames.frame(logged(*made))
    unsaid = scorecard.data(frame)
    assert evidence.ARCHITECTURE not in {one.thesis for one in unsaid.evidence}
    told = frame.assign(targets=frame["criterion"].map({"mine": "discovered", "his": "predefined"}))
    (found,) = [one for one in scorecard.data(told).evidence if one.thesis == evidence.ARCHITECTURE]
    assert (found.criterion, found.stance) == ("mine against his", "for")


def test_a_claim_as_a_whole_counts_each_seed_once() -> None:
    made = scorecard.data(frames.frame(study()))
    wholes = {one.thesis: one for one in made.wholes}
    whole = wholes[evidence.INHERITED]
    assert (whole.pieces, whole.difference.n) == (2, 3)
    assert whole.difference.mean == pytest.approx(-1.5)  # 0 at one density, -3 at the other
    assert whole.difference.std == pytest.approx(0.02)  # of the seeds' own offsets, which both densities share
    assert (whole.stance, wholes[evidence.GIVEN].stance) == ("against", "for")
    assert evidence.SIZES not in wholes


def test_networks_that_no_fine_tuning_touches_count_once() -> None:
    """Logged again beside fine-tuning of another length, fresh and rewound networks are the same ones."""
    longer = [with_settings(one.point, retrain_epochs=30) for one in study()]
    once, twice = (scorecard.data(frames.frame(points)).evidence for points in (study(), [*study(), *logged(*longer)]))
    told = {thesis.text: [sum(one.thesis == thesis for one in each) for each in (once, twice)]
            for thesis in (evidence.INITIAL, evidence.ARCHITECTURE, evidence.GIVEN)}  # fmt: skip
    assert told == {evidence.INITIAL.text: [2, 2], evidence.ARCHITECTURE.text: [2, 2], evidence.GIVEN.text: [2, 2]}
