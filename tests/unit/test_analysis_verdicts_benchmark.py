"""What the benchmark of verdicts lets pass: by hand, without computing anything."""

from __future__ import annotations

import pytest

from analysis.statistics.claimed import Tried
from analysis.statistics.inference import compare
from benchmarks import verdicts

FIRM, NEAR, NONE = (3.4, 3.5, 3.6), (1.5, 2.5, 3.5), (5.0, -5.0, 0.5)


def tried(differences: tuple[float, ...]) -> Tried:
    return Tried("mnist5k", "lenet5", (), (), (), "", "a claim", compare(differences, 0.5), (), (), ())


@pytest.mark.parametrize(
    ("first", "other", "kept"),
    [
        (FIRM, FIRM, True),
        (FIRM, NEAR, True),
        (NEAR, NONE, True),
        (NONE, NEAR, True),
        (FIRM, NONE, False),
        (FIRM, tuple(-each for each in FIRM), False),
        (NEAR, tuple(-each for each in NEAR), False),
    ],
)
def test_verdicts_turn_near_the_line_only_and_never_round(
    first: tuple[float, ...], other: tuple[float, ...], kept: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [tried(each).difference.near for each in (FIRM, NEAR, NONE)] == [False, True, False]
    assert verdicts.judged(tried(first), tried(other)) is kept
    assert ("THE VERDICT TURNED" in capsys.readouterr().out) is not kept
