"""AlexNet beside other methods, as in Han et al. 2015, Table 6, from hand-made points."""

from __future__ import annotations

import pytest

from analysis.records import frames
from analysis.tables import other_methods
from pruneexp.errors import UserError
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point


def seeds() -> list[LoggedPoint]:
    """Two seeds of AlexNet at two budgets, and another network."""
    made = [point(model="alexnet", seed=seed, density=density, after=96.0 + seed)
            for density in (0.1, 0.5) for seed in (0, 1)]  # fmt: skip
    return logged(*made, point(model="lenet5"))


class TestOtherMethods(TableContract):
    name = "other_methods"
    records = staticmethod(seeds)


def test_ours_stand_below_the_papers() -> None:
    made = other_methods.data(frames.frame(seeds()))
    *paper, half, tenth = made.methods
    assert [one.method for one in paper][::7] == ["Baseline Caffemodel", "Network Pruning"]
    printed = paper[-1]
    assert printed.top5_error is not None
    assert (printed.top1_error.mean, printed.top5_error.mean, printed.rate) == (42.77, 19.67, 9)
    assert {one.source for one in paper} == {"S1, verified"}
    assert [one.method for one in paper if one.top5_error] == [
        "Baseline Caffemodel", "Naive Cut", "SVD", "Network Pruning"
    ]  # fmt: skip
    assert (half.rate, tenth.rate, tenth.parameters) == (2.0, 10.0, 0.001)
    assert (tenth.top1_error.mean, tenth.origin) == (3.5, "ours, n = 2")
    assert tenth.dense_top1_error is not None
    assert tenth.dense_top1_error.mean == 3.0


def test_without_alexnet_the_papers_rows_are_asked_for() -> None:
    frame = frames.frame(logged(point(model="lenet5")))
    with pytest.raises(UserError, match=r"^no AlexNet is logged"):
        other_methods.data(frame)
    assert len(other_methods.data(frame, paper=True).methods) == 8
