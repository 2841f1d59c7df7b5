"""Frames, figures and tables of points whose smaller scores are the better ones: perplexities, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest

from analysis.figures import sensitivity, tradeoff
from analysis.publishing import publish
from analysis.publishing.catalogue import publications
from analysis.records import frames, scan_frames
from analysis.records.runs import LoggedScan
from analysis.statistics import scoring
from analysis.tables import allocations, claims, headline, prune_vs_scratch
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, TOP5, Score, TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract, TableContract
from tests.contracts.points import PERPLEXITY, as_text, logged, point
from tests.contracts.scans import as_text as scan_as_text
from tests.contracts.scans import logged_scans, scan
from tests.unit.test_analysis_allocations import study as searched
from tests.unit.test_analysis_claims import study as claimed


def as_texts(points: list[LoggedPoint]) -> list[LoggedPoint]:
    return [one._replace(point=as_text(one.point)) for one in points]


def text(after: float, **settings: object) -> TradeoffPoint:
    """A point of a language model with this perplexity after retraining; that of its dense network is 5."""
    return as_text(point(model="lstm", data="topics", dense=99.0, after=104.0 - after, **settings))  # type: ignore[arg-type]


def study(seeds: int = 2) -> list[LoggedPoint]:
    """Fine-tuned networks are better than those from scratch; at a density of 0.5 they lose nothing."""
    perplexities = {"prune": {0.5: 4.9, 0.2: 5.5, 0.1: 8.0}, "scratch_e": {0.5: 5.2, 0.2: 6.0}}
    return logged(
        *(text(after + 0.1 * seed, mode=mode, density=density, seed=seed)
          for mode, curve in perplexities.items() for density, after in curve.items() for seed in range(seeds))
    )  # fmt: skip


def scans() -> list[LoggedScan]:
    return logged_scans(scan_as_text(scan()), scan_as_text(scan(seed=1, shift=-1.0)))


# --- frames -----------------------------------------------------------------------------------------------------------


def test_changes_are_relative_where_the_metric_is_no_percentage() -> None:
    made = frames.frame(logged(text(5.5), point()))
    changes = made.set_index("data")["test.change_after.perplexity"]
    assert changes["topics"] == pytest.approx(10.0)
    assert made.set_index("data")["test.change_after.top1"]["mnist5k"] == -0.5
    assert made["test.change_after.perplexity"].isna().sum() == made["test.change_after.top1"].isna().sum() == 1


def test_a_perplexity_without_bounds_counts_as_a_large_one() -> None:
    made = text(5.5)
    endless = replace(made.result.val.after, metrics={"perplexity": float("inf")})
    made = replace(made, result=replace(made.result, val=replace(made.result.val, after=endless)))
    row = frames.frame(logged(made)).iloc[0]
    assert row["val.after.perplexity"] == row["val.change_after.perplexity"] == frames.LARGEST
    assert "at 1 mark beyond" not in tradeoff.caption(tradeoff.data(frames.frame(logged(made)), split="val"))
    assert tradeoff.draw(tradeoff.data(frames.frame(logged(made)), split="val")).axes


def test_two_metrics_of_one_name_are_each_measured_as_their_record_says() -> None:
    other = text(5.5)
    metric = replace(PERPLEXITY, unit="%")
    other = replace(other, identity=replace(other.identity, metric=metric, data="other"))
    made = frames.frame(logged(text(5.5), other)).set_index("data")
    assert made["val.change_after.perplexity"].to_dict() == {"topics": pytest.approx(10.0), "other": 0.5}
    with pytest.raises(UserError, match=r"^the records are judged by perplexity, perplexity: choose with --where"):
        scoring.primary(made)


def test_scans_have_relative_changes_and_their_bounds() -> None:
    first = scan_frames.frame(scans()).iloc[0]
    assert (first["val.perplexity"], first["dense.perplexity"]) == (pytest.approx(6.55), 5.0)
    assert first["change_perplexity"] == pytest.approx(31.0)
    assert (first["perplexity_low"], first["perplexity_high"]) == (30.5, 31.5)
    assert first[["change_top1", "val.top1", "top1_low"]].isna().all()


def test_the_metric_that_is_shown() -> None:
    images, texts = frames.frame(logged(point(data="imagenet"))), frames.frame(study())
    assert [scoring.shown(images), scoring.primary(images), scoring.shown(texts)] == [TOP5, TOP1, PERPLEXITY]
    assert scoring.shown(images, "top1") == TOP1
    with pytest.raises(UserError, match=r"^--metric=bleu: the records are judged by perplexity\.$"):
        scoring.shown(texts, "bleu")


def test_records_of_different_metrics_are_published_apart() -> None:
    made = frames.frame([*logged(point(), point(mode="scratch_e")), *study()])
    tables = dict(publish.subjects(publications()["prune_vs_scratch"], made))
    assert {name: set(rows["data"]) for name, rows in tables.items()} == {
        "prune_vs_scratch": {"mnist5k"},
        "prune_vs_scratch-perplexity": {"topics"},
    }
    assert [name for name, _ in publish.subjects(publications()["headline"], frames.frame(study()))] == ["headline"]
    with pytest.raises(UserError, match=r"^the records are judged by top1, perplexity"):
        prune_vs_scratch.data(made)


# --- figures ----------------------------------------------------------------------------------------------------------


class TestTradeoffOfText(FigureContract):
    name: ClassVar[str] = "tradeoff"
    records = staticmethod(study)


class TestSensitivityOfText(FigureContract):
    name: ClassVar[str] = "sensitivity"
    records = staticmethod(scans)


def test_the_trade_off_of_perplexity() -> None:
    made = tradeoff.data(frames.frame(study()))
    assert made.numbers.metric == PERPLEXITY
    (after,) = [curve for curve in made.curves if curve.moment == "after"]
    assert [mark.y.mean for mark in after.marks] == pytest.approx([-1.0, 11.0, 61.0])  # from 4.95, 5.55 and 8.05
    (values,) = [curve for curve in tradeoff.data(frames.frame(study()), y="value").curves if curve.moment == "after"]
    assert [mark.y.mean for mark in values.marks] == pytest.approx([4.95, 5.55, 8.05])
    assert values.dense == 5.0
    best, worst = made.y
    assert best <= -2.0 < 61.0 < worst
    axes = tradeoff.draw(made).axes[0]
    assert axes.get_ylim() == (worst, best)  # upside down: less is better
    assert axes.get_ylabel() == "test perplexity change, %"
    assert {row["metric"] for row in tradeoff.rows(made)} == {"perplexity"}
    assert tradeoff.caption(made).startswith("Test perplexity change against the dense network of the same seed.")
    assert "beyond it, up to +780.0 %;" in tradeoff.caption(made)  # 44 before retraining, against 5


def test_the_sensitivity_of_perplexity() -> None:
    made = sensitivity.data(scan_frames.frame(scans()))
    assert made.metric == PERPLEXITY
    mark = made.ways[0].layers[0].marks[1]
    assert (mark.change.mean, mark.low, mark.high) == pytest.approx((6.5, 6.0, 7.0))
    assert sensitivity.limits(made)[0] == -37.0  # 1.15 times 31.5
    axes = sensitivity.draw(made).axes[0]
    assert axes.get_ylim()[0] == 37.0
    assert axes.get_ylabel() == "val perplexity change, %"
    assert "200 examples" in sensitivity.caption(made)


def test_the_papers_curves_are_drawn_beside_accuracies_alone() -> None:
    images = point(model="alexnet", data="imagenet")
    assert tradeoff.data(frames.frame(logged(images))).paper
    assert not tradeoff.data(frames.frame(logged(as_text(images)))).paper
    assert sensitivity.data(scan_frames.frame(logged_scans(scan(model="alexnet")))).paper
    assert not sensitivity.data(scan_frames.frame(logged_scans(scan_as_text(scan(model="alexnet"))))).paper
    assert headline.data(frames.frame(logged(images))).networks[0].paper
    assert headline.data(frames.frame(logged(as_text(images)))).networks[0].paper is None


# --- tables -----------------------------------------------------------------------------------------------------------


class TestPruneVsScratchOfText(TableContract):
    name: ClassVar[str] = "prune_vs_scratch"
    records = staticmethod(study)


class TestHeadlineOfText(TableContract):
    name: ClassVar[str] = "headline"
    records = staticmethod(study)


class TestAllocationsOfText(TableContract):
    name: ClassVar[str] = "allocations"
    records = staticmethod(lambda: as_texts(searched()))


class TestClaimsOfText(TableContract):
    name: ClassVar[str] = "claims"
    records = staticmethod(lambda: as_texts(claimed()))


def test_the_lowest_perplexity_is_the_best() -> None:
    made = prune_vs_scratch.data(frames.frame(study(3)))
    assert [entry.best for entry in made.entries] == [("Fine-tuned",), ("Fine-tuned",), ()]
    sheet = prune_vs_scratch.sheet(made)
    assert sheet.title.endswith(": perplexity on test")
    assert "bold: better than every other column" in sheet.notes[0]
    assert [cell.text for cell in sheet.rows[0]][2:6] == ["0.5", "5.00 ± 0.00", "5.00 ± 0.10", "5.30 ± 0.10"]


def test_the_headline_of_perplexity() -> None:
    def pruned(epsilon: float) -> float | None:
        (network,) = headline.data(frames.frame(study()), epsilon=epsilon).networks
        return network.choice.chosen.rate if network.choice.chosen else None

    assert [pruned(epsilon) for epsilon in (0.0, 10.0, 12.0, 99.0)] == [2.0, 2.0, 5.0, 10.0]
    sheet = headline.sheet(headline.data(frames.frame(study())))
    assert sheet.header[2:5] == ("Reference perplexity", "Pruned perplexity", "Test change, %")
    assert [cell.text for cell in sheet.rows[0]][2:4] == ["5.00 ± 0.00", "4.95 ± 0.07"]
    assert "whose mean val perplexity after retraining is no higher than that of the dense" in sheet.notes[0]
    (row,) = headline.rows(headline.data(frames.frame(study()), epsilon=12.0))
    assert row["metric"] == "perplexity"
    assert row["val_change"] == pytest.approx(11.0)


def test_allocations_at_equal_perplexity() -> None:
    # 96.5 % accuracy of the dense network on val is a perplexity of 7; half a point is one part in fourteen
    made = allocations.data(frames.frame(as_texts(searched())), drop=100.0 / 14.0)
    same = allocations.data(frames.frame(searched()), drop=0.5)
    kept = [{one.method: one.density for one in table.entries[0].kept} for table in (made, same)]
    assert kept[0] == kept[1]
    assert "at a val perplexity at most 7.14286 % above the dense network's" in allocations.sheet(made).title


def test_claims_say_of_perplexity_what_they_say_of_accuracy() -> None:
    # half a point of an accuracy of 97 % is one part in fourteen of the perplexity 7
    made = [claims.data(frames.frame(as_texts(claimed())), margin=100.0 / 14.0), claims.data(frames.frame(claimed()))]
    assert [[one.difference.verdict for one in each.tried] for each in made] == [
        ["better"] * 3 + ["worse", "no worse"]
    ] * 2
    assert "Difference, %" in claims.sheet(made[0]).header
    assert {row["metric"] for row in claims.rows(made[0])} == {"perplexity"}


def test_a_score_that_all_points_lack_is_said() -> None:
    made = text(5.5)
    lacking = replace(made.result, test=None)
    with pytest.raises(UserError, match="no point of lstm on topics has a perplexity on the test split"):
        tradeoff.data(frames.frame(logged(replace(made, result=lacking))))
    assert Score(loss=0.0).metrics == {}
