"""No table or figure chooses among settings by itself: each is shown and told in words, or the reader must choose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.figures import tradeoff
from analysis.records import frames
from analysis.statistics import selection
from analysis.tables import claims, headline, prune_vs_scratch
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from tests.contracts.points import logged, point, tracking_file, with_settings


def under(strength: float, *, reg: str = "l1", **choices: Any) -> TradeoffPoint:
    """A point of a penalty of this strength, recorded in full."""
    whole = {"reg_retrain_strength": strength, "reg_settings": f"{reg} {strength:g}", "train_lr": 0.01}
    made = point(reg=reg, **choices)
    keys = {name: f"{getattr(made.identity, name)}-{strength:g}" for name in ("dense_key", "mask_key", "final_key")}
    return with_settings(made, reg_strength=strength, **whole, **keys)


def frame(*made: TradeoffPoint) -> Any:
    return selection.latest(frames.frame(logged(*made)))


def labels(made: Iterable[TradeoffPoint]) -> list[str]:
    made_of = tradeoff.data(frame(*made))
    return [tradeoff.label(made_of, curve) for curve in made_of.curves]


class TestTradeoff:
    def test_curves_are_told_apart_by_what_a_person_chose_and_by_no_hash(self) -> None:
        assert labels(under(strength, seed=seed) for strength in (1e-5, 1e-4) for seed in (0, 1)) == [
            "λ = 1e-5, before retraining",
            "λ = 1e-5, after retraining",
            "λ = 1e-4, before retraining",
            "λ = 1e-4, after retraining",
        ]

    def test_a_strength_in_retraining_is_told_where_it_is_another_one(self) -> None:
        other = with_settings(under(1e-3), reg_retrain_strength=1e-4)
        both = [
            with_settings(under(strength, reg="l1_then_l2"), reg_retrain_strength=5e-4) for strength in (1e-5, 1e-4)
        ]
        found = [name for name in labels([under(1e-5), other, *both]) if name.endswith("after retraining")]
        assert found == [
            "L1, λ = 1e-5, λ = 1e-5 in retraining, after retraining",
            "L1, λ = 1e-3, λ = 1e-4 in retraining, after retraining",
            "L1 then L2, λ = 1e-5, λ = 5e-4 in retraining, after retraining",
            "L1 then L2, λ = 1e-4, λ = 5e-4 in retraining, after retraining",
        ]

    def test_a_hash_is_told_only_where_nothing_with_a_name_differs(self) -> None:
        first, second = (with_settings(under(1e-4), reg_settings=text, mask_key=text) for text in ("aaaa", "bbbb"))
        lr = with_settings(under(1e-4, before=None), train_lr=0.1, dense_settings="cccc", mask_key="lr")
        assert [name for name in labels([first, second]) if "after" in name] == [
            "reg settings aaaa, after retraining",
            "reg settings bbbb, after retraining",
        ]
        assert [name for name in labels([first, lr]) if "after" in name] == [
            "rate 0.01, after retraining",
            "rate 0.1, after retraining",
        ]

    def test_networks_that_differ_in_their_retraining_alone_are_one_curve_before_it(self) -> None:
        made = [with_settings(under(1e-4, seed=seed), retrain_epochs=epochs, prune_settings=f"for {epochs}")
                for epochs, seeds in ((5, (0, 1)), (9, (1, 2))) for seed in seeds]  # fmt: skip
        curves = tradeoff.data(frame(*made)).curves
        assert list(zip(labels(made), (curve.seeds for curve in curves), strict=True)) == [
            ("before retraining", "n = 3"),
            ("5 epochs of retraining, after retraining", "n = 2"),
            ("9 epochs of retraining, after retraining", "n = 2"),
        ]


class TestClaims:
    def test_every_strength_is_a_row_that_says_so(self) -> None:
        points = []
        for seed in range(3):
            strong = under(1e-3, before=95.0, after=96.0, seed=seed)
            worse = with_settings(strong, reg_strength=1e-2, reg_retrain_strength=1e-2, reg_settings="l1 0.01")
            weak = under(1e-5, before=95.0, after=96.0, seed=seed)
            points += [weak, strong, worse, under(5e-4, reg="l2", before=80.0, after=95.0, seed=seed)]
        made = claims.data(frame(*points))
        assert [(tried.claim[:7], tried.settings, tried.difference.said(claims.VERDICTS)) for tried in made.tried] == [
            (claim, f"l1: λ = {strength}", verdict)
            for claim, verdict in (("without", "holds"), ("with re", "does not hold"))
            for strength in ("1e-5", "1e-3", "0.01")
        ]
        assert claims.sheet(made).header[0] == "Settings"
        assert len({(row["claim"], row["better"], row["worse"]) for row in claims.rows(made)}) == 6

    def test_of_two_iterative_schedules_each_is_tried(self) -> None:
        made = claims.data(
            frame(
                *(under(5e-4, reg="l2", after=96.0, seed=seed) for seed in range(3)),
                *(under(5e-4, reg="l2", schedule=schedule, after=after, seed=seed) for seed in range(3)
                  for schedule, after in (("iterative", 97.0), ("progressive", 95.0))),
            )
        )  # fmt: skip
        found = {
            tried.settings: tried.difference.said(claims.VERDICTS)
            for tried in made.tried
            if tried.claim.startswith("at low density")
        }
        assert found == {"l2: iterative": "holds", "l2: progressive": "does not hold"}

    def test_a_schedule_is_compared_under_one_strength(self) -> None:
        points = under(5e-4, reg="l2"), under(1e-4, reg="l2", schedule="iterative")
        assert {tried.claim[:9] for tried in claims.data(frame(*points)).tried} == {"iterative"}

    def test_more_pairs_than_can_be_read_are_for_the_reader_to_choose_from(self, tmp_path: Path) -> None:
        many = [under(1e-5 * number, reg=reg, before=95.0) for number in range(1, 7) for reg in ("l1", "l2")]
        with pytest.raises(UserError, match=r"on 36 pairs of curves .* choose with --where by reg_strength\."):
            claims.data(frame(*many))
        chosen = selection.where(frame(*many), {"reg_strength": ["1e-5", "6e-5"]})
        assert len(claims.data(chosen).tried) == 8

    def test_one_setting_each_needs_no_column(self) -> None:
        made = claims.data(frame(under(1e-4), under(5e-4, reg="l2")))
        assert "Settings" not in claims.sheet(made).header


class TestPruneVsScratch:
    def test_a_switch_on_one_network_empties_no_cell_of_another(self) -> None:
        def scratch(cap: float | None, **choices: Any) -> TradeoffPoint:
            return with_settings(under(5e-4, mode="scratch_b", **choices), cap=cap, mode_settings=f"cap {cap}")

        table = prune_vs_scratch.sheet(
            prune_vs_scratch.data(
                frame(
                    *(under(5e-4, model=model) for model in ("lenet5", "vgg16")),
                    scratch(None, model="lenet5", after=95.0),
                    scratch(2.0, model="lenet5", after=94.0),
                    scratch(2.0, model="vgg16", after=93.0),
                )
            )
        )
        assert table.header[3:] == (
            "Unpruned", "Fine-tuned", "Scratch-E", "Scratch-B, cap 2", "Scratch-B, no cap", "Rewound", "n"
        )  # fmt: skip
        assert [tuple(cell.text for cell in row[4:8]) for row in table.rows if row[0].text] == [
            ("96.50", "–", "94.00", "95.00"),
            ("96.50", "–", "93.00", "–"),
        ]

    def test_a_named_condition_is_a_column_and_its_hash_is_not(self) -> None:
        points = [with_settings(under(1e-4, mode=mode), batch_size=size, dense_settings=f"with {size}")
                  for mode in ("prune", "scratch_e") for size in (32, 64)]  # fmt: skip
        table = prune_vs_scratch.sheet(prune_vs_scratch.data(frame(*points)))
        assert table.header[2:4] == ("batch size", "Density")
        assert [row[2].text for row in table.rows if row[0].text] == ["32", "64"]


def test_the_headline_says_which_of_several_strengths_it_chose() -> None:
    weak, strong = under(1e-5, density=0.5, after=97.0), under(1e-3, density=0.1, after=97.0)
    rows = headline.sheet(headline.data(frame(weak, strong))).rows
    assert rows[0][1].text == "ours: L1, one-shot, layer_magnitude, λ = 1e-3, n = 1"


def test_networks_of_two_sizes_are_two_rows_of_the_headline() -> None:
    small = under(1e-4)
    large = with_settings(small, dense_settings="large", mask_key="large")
    large = replace(large, result=replace(large.result, weights_total=40_000, weights_kept=4_000))
    made = headline.data(frame(small, large))
    assert [(network.weights, network.differing) for network in made.networks] == [
        (10_000, "weights total 10000"),
        (40_000, "weights total 40000"),
    ]


class TestWhere:
    points = frames.frame(
        logged(
            under(1e-4),
            with_settings(under(1e-3), train_lr=0.1, rounds=5, cap=2.0),
            with_settings(under(1e-2), train_lr=0.1, optimizer="adam"),
        )
    )

    @pytest.mark.parametrize(
        ("conditions", "count"),
        [
            ({"reg_strength": "1e-4"}, 1),
            ({"reg_strength": "0.0001"}, 1),
            ({"train_lr": ".10"}, 2),
            ({"rounds": "5"}, 1),
            ({"rounds": "none"}, 2),
            ({"cap": "2"}, 1),
            ({"optimizer": "adam"}, 1),
            ({"optimizer": "none"}, 2),
            ({"reg_strength": ["1e-3", "1e-2"]}, 2),
            ({"seed": "0", "train_lr": "0.1"}, 2),
        ],
    )
    def test_numbers_are_compared_as_numbers(self, conditions: dict[str, Any], count: int) -> None:
        assert len(selection.where(self.points, conditions)) == count

    @pytest.mark.parametrize("value", ["0.2", "five", "0.10000001"])
    def test_what_is_not_there_is_told_with_what_is(self, value: str) -> None:
        with pytest.raises(UserError, match=rf"no point has train_lr={value}; .*there is: 0\.01, 0\.1\.$"):
            selection.where(self.points, {"train_lr": value})


def test_the_list_has_a_line_for_each_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracking_file(tmp_path / "mlflow.db", logged(under(1e-5), under(1e-3), under(5e-4, reg="l2")))
    assert main(["list"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:5]]
    assert [line[5:7] for line in lines] == [
        ["criterion", "reg_strength"],
        ["layer_magnitude", "1e-5"],
        ["layer_magnitude", "1e-3"],
        ["layer_magnitude", "5e-4"],
    ]


def test_several_values_of_one_column_may_be_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracking_file(tmp_path / "mlflow.db", logged(*(under(strength) for strength in (1e-5, 1e-4, 1e-3))))
    assert main(["tradeoff", "--where", "reg_strength=1e-5", "--where", "reg_strength=1e-3"]) == 0
    rows = (tmp_path / "reports/tradeoff-mnist5k-lenet5.csv").read_text()
    assert "reg_strength=1e-05" in rows
    assert "reg_strength=0.001" in rows
    assert "reg_strength=0.0001" not in rows
