"""Scans as a frame: derived columns by hand, the network's order, and repeated scans."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.records import scan_frames
from analysis.statistics import selection
from pruneexp.errors import UserError
from tests.contracts.scans import logged_scans, scan


def test_rows_by_hand() -> None:
    made = scan_frames.frame(logged_scans(scan({"fc9": {0.25: -2.0}, "conv1+fc1": {0.5: 1.0}}, dense=97.0)))
    first, second = made.to_dict("records")
    assert (first["group"], first["kind"], first["place"]) == ("fc9", "linear", 0)
    assert (first["pruned"], first["change_top1"], first["change_top5"]) == (75.0, -2.0, -1.0)
    assert (first["val.top1"], first["dense.top1"], first["images"]) == (95.0, 97.0, 200)
    assert (first["top1_low"], first["top1_high"]) == (-2.5, -1.5)
    assert first["key"] == first["scan_key"]
    assert (second["group"], second["kind"], second["place"]) == ("conv1+fc1", "mixed", 1)
    assert second["layers"] == ("conv1", "fc1")


def test_absent_top5_is_nan_even_where_every_scan_lacks_it() -> None:
    made = scan_frames.frame(logged_scans(scan(top5=False)))
    assert made[["change_top5", "top5_low", "val.top5"]].isna().all(axis=None)
    assert made["change_top5"].dtype == float


def test_empty_frame_has_every_column() -> None:
    empty = scan_frames.frame([])
    assert list(empty.columns) == list(scan_frames.frame(logged_scans(scan())).columns)
    assert selection.latest(empty, scan_frames.SCANS).empty


@settings(max_examples=8)
@given(st.permutations(range(4)))
def test_order_of_logging_changes_nothing(order: list[int]) -> None:
    made = logged_scans(*(scan(seed=seed, levels=levels) for seed in (0, 1) for levels in ("density", "quality")))
    pd.testing.assert_frame_equal(scan_frames.frame(made[index] for index in order), scan_frames.frame(made))


def test_a_scan_made_again_counts_once_and_as_a_whole() -> None:
    again = scan({"fc1": {0.5: -9.0}})
    made = selection.latest(scan_frames.frame(logged_scans(scan(), again, scan(seed=1))), scan_frames.SCANS)
    assert list(made[made["seed"] == 0]["change_top1"]) == [-9.0]
    assert len(made[made["seed"] == 1]) == 9


def test_latest_keeps_what_differs_in_any_setting() -> None:
    made = scan_frames.frame(
        logged_scans(scan(), scan(levels="quality"), scan(retrain_epochs=1), scan(reg="l1"), scan(settings="other"))
    )
    pd.testing.assert_frame_equal(selection.latest(made, scan_frames.SCANS), made)


def test_where_knows_the_columns_of_scans() -> None:
    made = scan_frames.frame(logged_scans(scan(), scan(levels="quality")))
    assert set(selection.where(made, {"levels": "quality"}, scan_frames.SCANS)["criterion"]) == {"layer_std"}
    with pytest.raises(UserError, match="--where knows no 'schedule' of a scan"):
        selection.where(made, {"schedule": "one_shot"}, scan_frames.SCANS)
