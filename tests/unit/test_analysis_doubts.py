"""Accuracies that say less than they seem to: crossed out in pictures, named below tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from analysis.figures import sensitivity, tradeoff
from analysis.publishing import publish
from analysis.publishing.catalogue import publications
from analysis.records import frames, scan_frames
from pruneexp.schema import Scores, TradeoffPoint
from tests.contracts.points import logged, point
from tests.contracts.scans import logged_scans, scan


def disconnected(made: TradeoffPoint) -> TradeoffPoint:
    return replace(made, disconnected=True)


def undefined(made: TradeoffPoint, images: int) -> TradeoffPoint:
    """The point with logits that are no numbers on so many of 1,000 test images, after retraining."""
    test = made.result.test
    assert isinstance(test, Scores)
    scores = replace(test, after=replace(test.after, undefined=images, images=1000))
    return replace(made, result=replace(made.result, test=scores))


def test_marks_of_doubtful_networks_are_crossed_out() -> None:
    points = (point(density=0.5), disconnected(point()), disconnected(point(seed=1)), undefined(point(density=0.02), 7))
    made = tradeoff.data(frames.frame(logged(*points)))
    before, after = made.curves
    assert [mark.doubtful for mark in before.marks] == [0, 0, 0]
    assert [mark.doubtful for mark in after.marks] == [0, 2, 1]
    assert "Crossed out: some of these networks give the same outputs for every image" in tradeoff.caption(made)
    crosses = [line for line in tradeoff.draw(made).axes[0].lines if line.get_marker() == "x"]
    assert [np.asarray(line.get_xdata()).tolist() for line in crosses] == [[90.0, 98.0]]
    assert [row["doubtful"] for row in tradeoff.rows(made)] == [0, 0, 0, 0, 2, 1]


def test_nothing_is_said_of_ordinary_networks() -> None:
    made = tradeoff.data(frames.frame(logged(point(), point(density=0.5))))
    assert "Crossed out" not in tradeoff.caption(made)


def test_tables_name_the_doubtful_points_that_they_show() -> None:
    shown = (disconnected(point(after=97.0)), undefined(point(seed=1, after=97.0), 42))
    beside = (disconnected(point(density=0.02)), point(density=0.02, seed=1))
    files = publish.files(publications()["headline"], "headline", frames.frame(logged(*shown, *beside)), {})
    text = files["headline.md"].decode()
    curve = "LeNet-5, MNIST (5,000 digits), L2, layer_magnitude, one-shot, fine-tuning at density=0.1 (1 point)"
    assert f"Disconnected, with the same outputs for every image: {curve}.\n" in text
    assert f"Logits that are not numbers count as wrong answers: {curve}.\n" in text


def test_a_scan_says_where_logits_were_no_numbers() -> None:
    whole = scan()
    rows = (replace(whole.rows[0], val=replace(whole.rows[0].val, undefined=3, images=200)), *whole.rows[1:])
    made = sensitivity.data(scan_frames.frame(logged_scans(replace(whole, rows=rows))))
    assert "Logits that are not numbers count as wrong answers, at 1 mark." in sensitivity.caption(made)
