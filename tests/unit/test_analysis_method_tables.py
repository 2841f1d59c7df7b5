"""The tables of Liu et al. 2019 by method: what they print, and which row a record is of."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.records import frames
from analysis.statistics import method_tables
from analysis.statistics.method_tables import TABLES, Method, PaperRow, printed, row_of
from analysis.tables import prune_vs_scratch
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from pruneexp.summary.spread import Spread
from tests.contracts.points import logged, point

EXPERIMENTS = Path(__file__).parents[2] / "conf/experiment"
WAYS = ("prune", "scratch_e", "scratch_b")


def key(criterion: str, model: str, data: str = "cifar10", kind: str = "units", value: float = 0.5) -> dict[str, Any]:
    return {"criterion": criterion, "model": model, "data": data, "budget.kind": kind, "budget.value": value}


def means(**known: float) -> dict[str, float]:
    return dict.fromkeys(("density_scope", "removed_parameters", "removed_flop", "flop_total"), math.nan) | known


def target(row: PaperRow | None) -> str | None:
    return row and row.target


def test_every_row_of_the_paper_is_there_and_nothing_recalled() -> None:
    assert {name: len(printed(name)) for name in TABLES} == {
        "l1_norm": 7, "thinet": 6, "regression": 2, "slimming": 11, "sparse_structure": 3, "unstructured": 16,
        "soft_filter": 0,
    }  # fmt: skip
    assert {f"{row.kept:g}" for row in printed("unstructured")} == {"0.7", "0.5", "0.4", "0.2"}


def test_a_row_by_hand() -> None:
    row = printed("l1_norm")[0]
    assert (row.model, row.data, row.target) == ("vgg16_cifar", "cifar10", "VGG-16-A")
    assert row.unpruned == (Spread(93.63, 0.16, 93.63, 93.63, 5),)
    assert {name: value.mean for name, value in row.numbers.items()} == {
        "Fine-tuned": 93.41, "Scratch-E": 93.62, "Scratch-B": 93.78
    }  # fmt: skip


def test_pruned_networks_are_known_by_their_size() -> None:
    """As docs/networks.md has them: 773,336 and 735,712 parameters, 224.9 and 181.8 MFLOP."""
    a = means(removed_parameters=773_336, removed_flop=224.9e6)
    b = means(removed_parameters=735_712, removed_flop=181.8e6)
    found = [target(row_of(key("channel_magnitude", "resnet56"), of)) for of in (a, b)]
    assert found == ["ResNet-56-A", "ResNet-56-B"]
    other = {**a, "removed_flop": 150e6}
    assert row_of(key("channel_magnitude", "resnet56"), other) is None
    assert row_of(key("random", "resnet56"), a) is None
    assert row_of(key("channel_magnitude", "resnet110"), a) is None


def test_shares_of_channels_of_weights_and_of_flop() -> None:
    slimmed = key("slimming", "vgg19_cifar", value=0.3)
    assert target(row_of(slimmed, means())) == "prune 70%"
    assert row_of({**slimmed, "budget.kind": "density"}, means()) is None
    weights = key("global_magnitude", "vgg19_cifar", kind="density", value=0.2)
    assert target(row_of(weights, means(density_scope=0.2004))) == "prune 80%"
    assert row_of(weights, means(density_scope=0.21)) is None
    narrow = key("thinet", "resnet50", "imagenet", value=0.7)
    assert target(row_of(narrow, means(removed_parameters=16.95e6))) == "ResNet50-70%"
    assert row_of(narrow, means(removed_parameters=12.4e6)) is None
    assert row_of({**narrow, "budget.value": 0.5}, means(removed_parameters=16.95e6)) is None
    faster = key("lasso", "resnet50", "imagenet", kind="flop")
    assert target(row_of(faster, means(flop_total=8.2e9, removed_flop=4.0e9))) == "ResNet-50-2x"
    assert row_of(faster, means(flop_total=8.2e9, removed_flop=3.0e9)) is None


@pytest.mark.parametrize("table", [name for name in TABLES if printed(name)])
def test_every_row_has_a_command(table: Method) -> None:
    rows = printed(table)
    told = list(method_tables.commands(rows))
    for sentence in told:
        said = re.search(r"^To be run \(.*?\): python -m pruneexp -m experiment=(\S+) ", sentence)
        assert sentence.startswith("No source of ours") if said is None else (EXPERIMENTS / f"{said[1]}.yaml").is_file()
    named = [name for sentence in told for name in sentence.partition("(")[2].partition(")")[0].split(", ")]
    assert sorted(named) == sorted(row.target for row in rows)


def test_commands_by_hand() -> None:
    l1_norm = "python -m pruneexp -m experiment=rethinking/l1_norm/vgg16_a seed=0,1,2,3,4"
    assert next(method_tables.commands(printed("l1_norm"))) == (
        f"To be run (VGG-16-A): {l1_norm} mode=prune; {l1_norm} mode=scratch_e,scratch_b +mode.small_init=true"
    )
    *_, capped = method_tables.commands(printed("regression"))
    twice = "python -m pruneexp -m experiment=rethinking/regression/resnet50_2x seed=0"
    assert capped == (
        f"To be run (ResNet-50-2x): {twice} mode=prune; {twice} mode=scratch_e +mode.small_init=true; "
        f"{twice} mode=scratch_b mode.cap=2 +mode.small_init=true"
    )
    (*_, last) = method_tables.commands(printed("unstructured"))
    weights = "python -m pruneexp -m experiment=rethinking/unstructured/resnet50 seed=0"
    assert last == (
        f"To be run (prune 30%, prune 60%): {weights} mode=prune; "
        f"{weights} mode=scratch_e,scratch_b mode.scaled_init=true"
    )


def _sheet(table: Method, *made: TradeoffPoint) -> list[tuple[str, ...]]:
    found = prune_vs_scratch.sheet(prune_vs_scratch.data(frames.frame(logged(*made)), table=table))
    return [found.header, *(tuple(cell.text for cell in row) for row in found.rows)]


def _halved(mode: str, seed: int, after: float) -> TradeoffPoint:
    """ResNet-50 of half the FLOP, whose dense network has 97 %."""
    made = point(model="resnet50", data="imagenet", criterion="lasso", mode=mode, seed=seed, after=after, density=0.5)
    return replace(made, result=replace(made.result, flop_total=8e9, removed_flop=4e9))


def test_a_table_of_changes_has_ours_as_changes_and_what_was_not_run() -> None:
    made = [_halved(mode, seed, after + seed) for mode, after in (("prune", 95.0), ("scratch_b", 97.5))
            for seed in (0, 1)]  # fmt: skip
    assert [row[1:8] for row in _sheet("regression", *made)] == [
        ("Network", "Target", "Density", "Unpruned", "Fine-tuned", "Scratch-E", "Scratch-B"),
        ("VGG-16", "VGG-16-5x", "–", "–", "–", "–", "–"),
        ("Liu et al. 2019", "VGG-16-5x", "", "71.03 / 71.51", "−2.67", "−3.46", "−0.51"),
        ("resnet50", "ResNet-50-2x", "0.5", "97.00 ± 0.00", "−1.50 ± 0.71", "–", "+1.00 ± 0.71"),
        ("against Fine-tuned", "", "", "", "", "", "+2.50 [+2.50, +2.50] n = 2: no verdict"),
        ("Liu et al. 2019", "ResNet-50-2x", "", "75.51 / 76.13", "−3.25", "−1.55", "−1.07"),
    ]


def test_sparse_structure_selection_is_not_fine_tuned() -> None:
    header, ours, paper, *_ = _sheet("sparse_structure", point())
    assert header[5:8] == ("Pruned", "Fine-tuned", "Scratch-E")
    assert ours[2:8] == ("ResNet-41", "–", "–", "–", "–", "–")
    assert paper[2:8] == ("ResNet-41", "", "76.12", "75.44", "–", "75.61")


def test_rows_of_a_table_count_in_one_mode_too_and_other_criteria_do_not() -> None:
    shared: dict[str, Any] = {"model": "vgg19_cifar", "data": "cifar10", "density": 0.2}
    made = [point(criterion="global_magnitude", seed=seed, **shared) for seed in (0, 1)]
    made += [point(criterion="random", mode=mode, **shared) for mode in WAYS]
    found = prune_vs_scratch.data(frames.frame(logged(*made)), table="unstructured")
    assert [(entry.paper and entry.paper.target, len(entry.runs)) for entry in found.entries] == [("prune 80%", 2)]
    assert len(prune_vs_scratch.sheet(found).rows) == 2 * len(printed("unstructured"))


def test_what_is_neither_printed_nor_logged_is_said() -> None:
    told = r"^--table soft_filter: no number .* confirmed, and no point of criterion soft_filter is logged in two modes"
    with pytest.raises(UserError, match=told) as said:
        prune_vs_scratch.data(frames.frame(logged(point())), table="soft_filter")
    (preset,) = re.findall(r"experiment=(\S+) ", str(said.value))
    assert (EXPERIMENTS / f"{preset}.yaml").is_file()


def test_where_the_code_release_differs_is_said() -> None:
    made = prune_vs_scratch.data(frames.frame(logged(point())), table="l1_norm")
    (note,) = [note for note in prune_vs_scratch.sheet(made).notes if "code release" in note]
    assert "ResNet-34-A Scratch-B: paper 73.03, repo 73.08" in note


def test_the_csv_keeps_changes_apart_from_values() -> None:
    made = prune_vs_scratch.data(frames.frame(logged(_halved("prune", 0, 95.0), _halved("scratch_b", 0, 97.5))),
                                 table="regression")  # fmt: skip
    rows = [row for row in prune_vs_scratch.rows(made) if row["target"] == "ResNet-50-2x"]
    assert [(row["source"][:4], row["column"], row["value_mean"], row["change_mean"]) for row in rows] == [
        ("runs", "Unpruned", 97.0, None),
        ("runs", "Fine-tuned", 95.0, -2.0),
        ("runs", "Scratch-B", 97.5, 0.5),
        ("Liu ", "Unpruned (original paper)", 75.51, None),
        ("Liu ", "Unpruned (re-implemented)", 76.13, None),
        ("Liu ", "Fine-tuned", None, -3.25),
        ("Liu ", "Scratch-E", None, -1.55),
        ("Liu ", "Scratch-B", None, -1.07),
    ]


def test_scores_are_changes_among_the_papers_rows_alone() -> None:
    made = [point(criterion="thinet", mode=mode, seed=seed, after=96.0 + seed) for mode in WAYS for seed in (0, 1)]
    frame = frames.frame(logged(*made))
    alone, among = (prune_vs_scratch.sheet(prune_vs_scratch.data(frame, table=table)) for table in ("logged", "thinet"))
    assert alone.rows[0][4].text == "96.50 ± 0.71"
    assert not any("changes of the accuracy in points" in note for note in alone.notes)
    ours = among.rows[-2]  # its second line has what modes are ahead by
    assert "−0.50 ± 0.71" in [cell.text for cell in ours]  # 97 before, 96 and 97 after
    assert sum("changes of the accuracy in points" in note for note in among.notes) == 1
    assert not any("Liu et al. 2019: five runs" in note for note in alone.notes)


def test_networks_that_are_not_fine_tuned_have_their_column_without_a_row_of_the_papers_too() -> None:
    made = [point(criterion="sparse_structure", mode=mode) for mode in WAYS]
    table = prune_vs_scratch.data(frames.frame(logged(*made)))
    sheet = prune_vs_scratch.sheet(table)
    assert sheet.header[3:6] == ("Unpruned", "Pruned", "Fine-tuned")
    assert [cell.text for cell in sheet.rows[0]][4:6] == ["60.00", "96.50"]
    assert [row["value_mean"] for row in prune_vs_scratch.rows(table) if row["column"] == "Pruned"] == [60.0]
