"""Detectors of every way to prune, from hand-made points: which column each is in, and which share a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis import paper
from analysis.records import frames
from analysis.tables import detection
from pruneexp.errors import UserError
from pruneexp.schema import Metric, Score, Scores, TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import TableContract
from tests.contracts.points import logged, point, with_settings

#: What each column reaches, on average; the dense network 70.
AFTER = {"Prune-C": 66.0, "Prune-D": 64.0, "Scratch-E": 65.0, "Scratch-B": 66.2}
MODES = {"Prune-C": "prune", "Scratch-E": "scratch_e", "Scratch-B": "scratch_b"}


def detector(way: str, seed: int = 0, density: float = 0.5, after: float = 60.0, **settings: Any) -> TradeoffPoint:
    """A detector in the column ``way``; the dense network of a transferred one is not trained."""
    own = way == "Prune-D"
    made = point(model="faster_rcnn_small", data="shapes", reg="none", seed=seed, density=density, after=after,
                 criterion="global_magnitude" if own else "layer_std", dense=70.0 + seed if own else 1.0)  # fmt: skip
    start = None if own else f"resnet18 {MODES[way]} d={density:g}"
    values = {
        "task": "detection",
        "metric": Metric("mAP", "%"),
        "train_epochs": 15 if own else 0,
        "started_from": start,
    }
    values |= {"dense_settings": start or "dense", "prune_settings": "own" if own else "transferred"}
    test, val = made.result.test, made.result.val
    assert test is not None
    made = replace(made, result=replace(made.result, test=_precision(test), val=_precision(val)))
    return with_settings(made, **{**values, "retrain_epochs": 5 if own else 15, **settings})


def _precision(scores: Scores) -> Scores:
    def of(score: Score) -> Score:
        return Score(loss=score.loss, metrics={"mAP": score["top1"], "mAP_area": score["top1"] - 10.0})

    return Scores(dense=of(scores.dense), before=None, after=of(scores.after))


def study() -> list[LoggedPoint]:
    """All ways at a half, three seeds each; a fifth in the detector alone."""
    made = [detector(way, seed, after=after + seed) for way, after in AFTER.items() for seed in range(3)]
    return logged(*made, *(detector("Prune-D", seed, 0.2, 50.0) for seed in range(3)))


class TestDetection(TableContract):
    name = "detection"
    records = staticmethod(study)


def _sheet(points: list[LoggedPoint], **options: Any) -> list[tuple[str, ...]]:
    made = detection.sheet(detection.data(frames.frame(points), **options))
    return [made.header, *(tuple(cell.text for cell in row) for row in made.rows)]


def _notes(points: list[LoggedPoint], **options: Any) -> str:
    return "\n".join(detection.sheet(detection.data(frames.frame(points), **options)).notes)


def test_the_table_by_hand() -> None:
    assert _sheet(study()) == [
        ("Data", "Network", "Target", "Density", "Unpruned", "Prune-C", "Prune-D", "Scratch-E", "Scratch-B", "n"),
        ("shapes", "Faster R-CNN (small)", "d=0.5", "0.5", "71.00 ± 1.00", "67.00 ± 1.00", "65.00 ± 1.00",
         "66.00 ± 1.00", "67.20 ± 1.00", "3"),
        ("", "against Prune-C", "", "", "", "", "−2.00 [−2.00, −2.00] worse", "−1.00 [−1.00, −1.00] worse",
         "+0.20 [+0.20, +0.20] equivalent", ""),
        ("shapes", "Faster R-CNN (small)", "d=0.2", "0.2", "71.00 ± 1.00", "–", "50.00 ± 0.00", "–", "–", "3"),
    ]  # fmt: skip


def test_the_other_metric_can_be_asked_for() -> None:
    assert _sheet(study(), metric="mAP_area")[1][4:6] == ("61.00 ± 1.00", "57.00 ± 1.00")


def test_an_untrained_head_is_no_unpruned_detector() -> None:
    """The dense network of Prune-C is none, and neither is one that started from a file and was not trained."""
    alone = [detector("Prune-C", seed, after=66.0) for seed in range(3)]
    assert _sheet(logged(*alone))[1][4:7] == ("–", "66.00 ± 0.00", "–")
    untrained = detector("Prune-D", train_epochs=0, started_from="resnet34.pth")
    assert "Not shown: 1 points" in _notes(logged(*alone, untrained))


def test_detectors_that_started_from_something_unpruned_have_columns_of_their_own() -> None:
    made = [detector("Prune-D"), detector("Prune-D", started_from="resnet18 unpruned", dense_settings="given")]
    header, row = _sheet(logged(*made))
    assert set(header[4:]) >= {f"{way}, from {start}" for way in ("Unpruned", "Prune-D")
                               for start in ("no file", "resnet18 unpruned")}  # fmt: skip
    assert row.count("60.00") == row.count("70.00") == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "scratch_e"},
        {"started_from": "resnet18 rewind d=0.5"},
        {"started_from": "faster_rcnn_small prune d=0.5"},
        {"train_epochs": 5},
    ],
)
def test_what_the_paper_has_no_column_for_is_counted(settings: dict[str, Any]) -> None:
    points = logged(detector("Prune-D"), detector("Prune-C", **settings))
    assert _sheet(points)[1][5] == "–"
    assert "Not shown: 1 points" in _notes(points)


def test_networks_of_which_as_much_matters_share_a_row() -> None:
    """Filters alone are cut in the detector, and in the classifier what read them, too."""
    own = detector("Prune-D", density=0.7)
    own = replace(own, result=replace(own.result, density_effective=0.5))
    assert _sheet(logged(own, detector("Prune-C", density=0.5)))[1][2] == "d=0.7, d=0.5"


def test_each_seed_may_have_a_classifier_and_two_of_one_seed_are_refused() -> None:
    def points(*seeds: int) -> list[LoggedPoint]:
        return logged(*(detector("Prune-C", seed, dense_settings=f"{place}") for place, seed in enumerate(seeds)))

    assert _sheet(points(0, 1))[1][-1] == "2"
    assert "started from several files" in _notes(points(0, 1))
    with pytest.raises(UserError, match=r"several detectors of Prune-C with one seed .* dense_settings"):
        _sheet(points(0, 0))


def test_what_was_not_run_stays_empty_with_its_command() -> None:
    nothing = logged(point())
    rows = _sheet(nothing, paper=True)[1:]
    assert [(row[2], {*row[3:-1]}, row[-1]) for row in rows] == [
        (name, {"–"}, "0") for name in detection.TARGETS.values()
    ]
    notes = _notes(nothing, paper=True)
    assert "experiment=rethinking/l1_norm/resnet34_b mode=scratch_b" in notes
    assert "voc2007_transfer train.start_from=resnet34_a_prune/weights.safetensors" in notes
    assert "None of the paper's numbers is confirmed" in notes
    assert "that makes" not in _notes(study()[:12])


def test_the_paper_s_networks_have_its_names_and_its_numbers_once_they_are_confirmed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start: dict[str, Any] = {"data": "voc2007", "model": "faster_rcnn", "started_from": "resnet34 prune u=0.8909"}
    points = logged(detector("Prune-C", **start))
    assert [row[1:3] for row in _sheet(points)[1:]] == [("Faster R-CNN", "ResNet-34-A")]
    assert {number["source"] for number in detection.rows(detection.data(frames.frame(points)))} == {"runs"}
    monkeypatch.setattr(paper, "CONFIRMED", ("recalled",))
    monkeypatch.setattr(detection, "paper_numbers", paper.paper_numbers.__wrapped__)
    assert _sheet(points)[2][1:] == (
        "Liu et al. 2019",
        "ResNet-34-A",
        "",
        "71.69",
        "71.47",
        "70.99",
        "71.64",
        "71.90",
        "1",
    )
