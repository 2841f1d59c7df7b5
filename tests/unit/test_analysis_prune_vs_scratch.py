"""Table 6 of Liu et al. 2019 from hand-made points: means, sample deviations, the best in bold, dashes."""

from __future__ import annotations

import pytest

from analysis import paper
from analysis.paper import paper_numbers
from analysis.publishing.sheet import Cell
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.modes import COLUMNS
from analysis.tables import prune_vs_scratch
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point, with_settings

AFTER = {"prune": 96.0, "scratch_e": 95.0, "scratch_b": 95.5, "rewind": 95.25}


def study() -> list[LoggedPoint]:
    """Four modes at a density of 0.2 and fine-tuning alone at 0.05, three seeds each."""
    made = [
        point(mode=mode, seed=seed, density=density, after=after + seed - 1)
        for density, modes in ((0.2, tuple(AFTER)), (0.05, ("prune",)))
        for mode, after in AFTER.items()
        if mode in modes
        for seed in (0, 1, 2)
    ]
    return logged(*made)


class TestPruneVsScratch(TableContract):
    name = "prune_vs_scratch"
    records = staticmethod(study)


def _sheet(points: list[LoggedPoint]) -> list[tuple[str, ...]]:
    made = prune_vs_scratch.sheet(prune_vs_scratch.data(selection.latest(frames.frame(points))))
    return [made.header, *(tuple(cell.text for cell in row) for row in made.rows)]


def test_the_table_by_hand() -> None:
    dense, subject = "97.00 ± 0.00", ("MNIST (5,000 digits)", "LeNet-5")
    scores = "96.00 ± 1.00", "95.00 ± 1.00", "95.50 ± 1.00", "95.25 ± 1.00"
    assert _sheet(study()) == [
        ("Data", "Network", "Density", "Unpruned", *COLUMNS.values(), "n"),
        (*subject, "0.2", dense, *scores, "3"),
        ("", "against Fine-tuned", "", "", "", "−1.00 [−1.00, −1.00] worse", "−0.50 [−0.50, −0.50] worse",
         "−0.75 [−0.75, −0.75] worse", ""),
        (*subject, "0.05", dense, scores[0], "–", "–", "–", "3"),
    ]  # fmt: skip


def test_networks_from_scratch_stand_beside_each_way_of_fine_tuning() -> None:
    def tuned(rate: float, after: float) -> list[TradeoffPoint]:
        made = [point(seed=seed, density=0.2, after=after + seed) for seed in (0, 1, 2)]
        return [with_settings(one, retrain_lr_factor=rate, prune_settings=f"p{rate}",
                              final_key=f"{one.identity.final_key}-{rate}") for one in made]  # fmt: skip

    fresh = [with_settings(point(mode="scratch_e", seed=seed, density=0.2, after=95.0 + seed), retrain_lr_factor=0.1,
                           prune_settings="p0.1") for seed in (0, 1, 2)]  # fmt: skip
    header, *lines = _sheet(logged(*tuned(0.1, 96.0), *tuned(1.0, 94.0), *fresh))
    rate, fine, scratch = (header.index(name) for name in ("retrain lr factor", "Fine-tuned", "Scratch-E"))
    assert [(row[rate], row[fine], row[scratch]) for row in lines[::2]] == [
        ("0.1", "97.00 ± 1.00", "96.00 ± 1.00"),
        ("1", "95.00 ± 1.00", "96.00 ± 1.00"),
    ]
    assert not prune_vs_scratch.data(frames.frame(logged(*tuned(0.1, 96.0), *tuned(1.0, 94.0), *fresh))).left_out


def test_what_is_better_than_every_other_column_is_bold() -> None:
    rows = prune_vs_scratch.sheet(prune_vs_scratch.data(frames.frame(study()))).rows
    assert [cell for row in rows for cell in row if cell.bold] == [Cell("96.00 ± 1.00", bold=True)]


@pytest.mark.parametrize("ahead", [(0.1, 0.15, 0.2), (-2.0, 0.5, 3.0)])  # within the margin; within the scatter
def test_the_best_mean_is_not_bold_where_it_may_be_chance(ahead: tuple[float, ...]) -> None:
    points = [point(mode=mode, seed=seed, after=96.0 + off * (mode == "scratch_e")) for seed, off in enumerate(ahead)
              for mode in ("prune", "scratch_e")]  # fmt: skip
    assert [entry.best for entry in prune_vs_scratch.data(frames.frame(logged(*points))).entries] == [()]


def test_verdicts_are_paired_by_seed_and_say_what_would_settle_them() -> None:
    # of one seed to the next everything moves by 2 points; scratch is 1.0 ± 0.1 worse, rewinding 0.6 ± 0.6 better
    behind = {"scratch_e": (1.0, 0.9, 1.1, 1.0), "rewind": (-1.2, 0.0, -0.9, -0.3), "prune": (0.0,) * 4}
    points = [point(mode=mode, seed=seed, after=96.0 - 2.0 * seed - off) for mode, offs in behind.items()
              for seed, off in enumerate(offs)]  # fmt: skip
    made = prune_vs_scratch.data(frames.frame(logged(*points)))
    against = dict(made.entries[0].against)
    assert {name: round(of.mean, 9) for name, of in against.items()} == {"Scratch-E": -1.0, "Rewound": 0.6}
    told = prune_vs_scratch.sheet(made).rows[1]
    assert told[5].text == "−1.00 [−1.13, −0.87] worse"
    seeds = against["Rewound"].seeds_needed
    assert told[7].text == f"+0.60 [−0.27, +1.47] no evidence, near the line ({seeds})"
    assert made.entries[0].best == ()
    by_column = {row["column"]: row for row in prune_vs_scratch.rows(made)}
    assert by_column["Scratch-E"]["verdict"] == "worse"
    assert by_column["Scratch-E"]["difference_mean"] == pytest.approx(-1.0)
    assert by_column["Fine-tuned"]["verdict"] == by_column["Unpruned"]["verdict"] == ""


def test_a_single_seed_has_no_verdict() -> None:
    made = prune_vs_scratch.data(frames.frame(logged(point(after=96.5), point(mode="scratch_e", after=90.0))))
    assert made.entries[0].best == ()
    table = prune_vs_scratch.sheet(made)
    assert table.rows[1][5].text == "−6.50 n = 1: no verdict"
    assert "There is no verdict on fewer than three seeds that two columns share." in table.notes


def test_the_margin_can_be_chosen() -> None:
    points = [point(mode=mode, seed=seed, after=96.0 - (mode == "scratch_e") * (1.0 + seed / 100.0))
              for seed in range(3) for mode in ("prune", "scratch_e")]  # fmt: skip
    said = [prune_vs_scratch.sheet(prune_vs_scratch.data(frames.frame(logged(*points)), margin=margin)).rows[1][5].text
            for margin in (0.0, 2.0)]  # fmt: skip
    assert [text.rpartition(" ")[2] for text in said] == ["worse", "equivalent"]


def test_fewer_seeds_are_told_in_the_cell() -> None:
    points = logged(point(seed=0), point(seed=1), point(seed=0, mode="scratch_e", after=95.0))
    assert _sheet(points)[1][-5:] == ("96.50 ± 0.00", "95.00 (n = 1)", "–", "–", "2")


def test_conditions_are_columns_only_where_they_vary() -> None:
    modes = ("prune", "scratch_e")
    points = logged(*(point(mode=mode, reg=reg, model=model) for mode in modes for reg in ("l1", "l2")
                      for model in ("lenet5", "alexnet")))  # fmt: skip
    header, *rows = _sheet(points)
    assert header[:4] == ("Data", "Network", "reg", "Density")
    assert [row[:3] for row in rows if row[0]] == [
        ("MNIST (5,000 digits)", "AlexNet", "l1"),
        ("MNIST (5,000 digits)", "AlexNet", "l2"),
        ("MNIST (5,000 digits)", "LeNet-5", "l1"),
        ("MNIST (5,000 digits)", "LeNet-5", "l2"),
    ]


def test_curves_of_one_mode_are_left_out_and_counted() -> None:
    points = logged(point(), point(mode="scratch_e"), point(reg="l1"), point(reg="l1", density=0.2))
    made = prune_vs_scratch.data(frames.frame(points))
    assert len(made.entries) == 1
    assert made.left_out == 2
    assert prune_vs_scratch.sheet(made).notes[2:] == (
        "All rows: reg l2, criterion layer_magnitude, schedule one_shot.",
        "Not shown: 2 points of curves in one mode alone.",
    )


def test_nothing_to_compare_is_said() -> None:
    with pytest.raises(UserError, match=r"no budget is logged in two modes .* \(there is mode=prune\)\."):
        prune_vs_scratch.data(frames.frame(logged(point(), point(seed=1))))


def test_the_papers_row_stands_below_ours() -> None:
    points = logged(
        *(
            point(model="vgg19_cifar", data="cifar10", criterion="global_magnitude", density=0.7, mode=mode)
            for mode in ("prune", "scratch_b")
        )
    )
    *_, paper = _sheet(points)
    assert paper == (
        "",
        "Liu et al. 2019",
        "prune 30%",
        "",
        "93.50 ± 0.11",
        "93.51 ± 0.05",
        "93.71 ± 0.09",
        "93.31 ± 0.26",
        "–",
        "5",
    )


def test_recalled_numbers_are_not_shown() -> None:
    assert {number.confidence for number in paper_numbers("rethinking_table6_unstructured")} == {"verified"}
    points = logged(
        *(point(model="vgg19_cifar", data="cifar10", criterion="global_magnitude", density=0.05, mode=mode)
          for mode in ("prune", "scratch_b"))
    )  # fmt: skip
    assert "Liu et al. 2019" not in {row[1] for row in _sheet(points)}


def test_every_reference_names_a_known_source() -> None:
    with (paper.FOLDER / "sources.csv").open(encoding="utf-8") as file:
        known = {line.partition(",")[0] for line in file}
    for path in paper.FOLDER.glob("*.csv"):
        if path.stem not in ("sources", "rethinking_discrepancies"):
            for number in paper_numbers(path.stem):
                assert {part.split()[0] for part in number.source.split("; ")} <= known


def test_learning_rate_rewinding_has_a_column_where_it_is_logged() -> None:
    header, *rows = _sheet(logged(point(), point(mode="lr_rewind", after=95.5)))
    assert header[4:9] == ("Fine-tuned", "Scratch-E", "Scratch-B", "Rewound", "LR rewound")
    assert rows[0][8] == "95.50"


def test_retraining_in_the_budget_and_fine_tuning_of_another_length_stand_apart() -> None:
    made = [point(mode=mode, before=None, after=after)
            for mode, after in (("prune", 96.0), ("scratch_b", 95.0), ("scratch_b_retraining", 95.5))]  # fmt: skip
    longer = [with_settings(one, retrain_epochs=30) for one in made]
    header, *rows = _sheet(logged(*made, *longer))
    assert header[2:] == ("retrain epochs", "Density", "Unpruned", "Fine-tuned", "Scratch-E", "Scratch-B",
                          "Scratch-B and retraining", "Rewound", "n")  # fmt: skip
    assert [row[2] for row in rows if row[0]] == ["0", "30"]


def test_a_limit_of_epochs_that_all_networks_from_scratch_had_is_said() -> None:
    def note(*caps: float | None) -> str:
        made = [with_settings(point(mode="scratch_b", seed=seed), cap=cap) for seed, cap in enumerate(caps)]
        tuned = [point(seed=seed) for seed in range(len(caps))]
        frame = selection.latest(frames.frame(logged(*tuned, *made)))
        return prune_vs_scratch.sheet(prune_vs_scratch.data(frame)).notes[0]

    assert "Scratch-B for its compute, in at most 2 times its epochs;" in note(2.0, 2.0)
    assert "Scratch-B for its compute; " in note(None, None)
    assert "Scratch-B for its compute; " in note(2.0, 1.5)
