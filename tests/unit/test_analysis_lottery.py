"""Winning tickets against fresh weights, from hand-made points at two learning rates."""

from __future__ import annotations

import pytest

from analysis.records import frames
from analysis.tables import lottery
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point, with_settings

#: By rate: what fresh weights and tickets reach, on average.
REACHED = {0.1: (95.0, 95.1), 0.01: (90.0, 93.0)}


def study() -> list[LoggedPoint]:
    made = []
    for rate, values in REACHED.items():
        for mode, after in zip(("scratch_e", "rewind"), values, strict=True):
            for seed, off in enumerate((0.0, 0.1, -0.1)):
                one = point(mode=mode, seed=seed, after=after + seed + off * (mode == "rewind"))
                made.append(with_settings(one, train_lr=rate, dense_settings=f"rate {rate}"))
    return logged(*made)


class TestLottery(TableContract):
    name = "lottery"
    records = staticmethod(study)


def test_the_rows_by_hand() -> None:
    sheet = lottery.sheet(lottery.data(frames.frame(study())))
    assert sheet.header == (
        "Target", "Density", "Rate", "Unpruned", "Random init", "Winning ticket", "n", "Ticket − random", "Verdict"
    )  # fmt: skip
    assert [tuple(cell.text for cell in row[2:]) for row in sheet.rows] == [
        (
            "0.1",
            "97.00 ± 0.00",
            "96.00 ± 1.00",
            "96.10 ± 0.95",
            "3",
            "+0.10 [−0.15, +0.35]",
            "equivalent, near the line",
        ),
        ("0.01", "97.00 ± 0.00", "91.00 ± 1.00", "94.00 ± 0.95", "3", "+3.00 [+2.75, +3.25]", "better"),
    ]  # fmt: skip


def test_two_seeds_have_no_verdict_and_one_no_interval() -> None:
    def told(*seeds: int) -> list[str]:
        points = [one for one in study() if one.point.identity.seed in seeds and one.point.identity.train_lr == 0.1]
        (row,) = lottery.sheet(lottery.data(frames.frame(points))).rows
        return [cell.text for cell in row[-2:]]

    assert told(0) == ["+0.10", "n = 1: no verdict"]
    assert told(0, 1)[1] == "n = 2: no verdict"


def test_rewound_weights_of_two_epochs_are_two_tickets() -> None:
    made = [point(mode="scratch_e", after=95.0)]
    made += [with_settings(point(mode="rewind", after=95.0 + epoch), rewind_epoch=epoch, mode_settings=f"{epoch}")
             for epoch in (0, 2)]  # fmt: skip
    found = list(lottery.rows(lottery.data(frames.frame(logged(*made)))))
    assert [(row["ticket"], row["difference_mean"]) for row in found] == [
        ("Rewound, from epoch 0", 0.0), ("Rewound, from epoch 2", 2.0)
    ]  # fmt: skip


def test_one_of_both_alone_is_said() -> None:
    with pytest.raises(UserError, match=r"both in mode=rewind and in mode=scratch_e"):
        lottery.data(frames.frame(logged(point(mode="rewind"), point(mode="prune"))))


def test_masks_of_their_own_are_said() -> None:
    def notes(mask: str) -> str:
        made = [with_settings(one.point, mask_key=mask) for one in study() if one.point.identity.mode == "rewind"]
        others = [with_settings(one.point, mask_key="fresh") for one in study() if one.point.identity.mode != "rewind"]
        return " ".join(lottery.sheet(lottery.data(frames.frame(logged(*made, *others)))).notes)

    assert "+mode.rewound_masks=true" in notes("ticket")
    assert "+mode.rewound_masks=true" not in notes("fresh")
