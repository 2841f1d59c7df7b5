"""Fine-tuned networks against those from scratch at each rate of fine-tuning, from hand-made points."""

from __future__ import annotations

from typing import ClassVar

import pytest

from analysis.figures import finetuning_rate
from analysis.records import frames
from pruneexp.errors import UserError
from pruneexp.schema import TradeoffPoint
from pruneexp.schema.columns import LoggedPoint
from tests.contracts.figures import FigureContract
from tests.contracts.points import logged, point, with_settings

#: Scores of fine-tuned networks by rate; those from scratch have 95.0 by equal epochs and 95.5 by equal compute.
TUNED = {0.01: 92.0, 0.1: 95.25, 1.0: 97.0}


def at_rate(rate: float, **choices: object) -> list[TradeoffPoint]:
    """Three seeds with hardly any scatter."""
    told = {"retrain_lr_factor": rate, "prune_settings": f"retrain lr factor {rate:g}"}
    return [with_settings(point(seed=seed, before=None, **choices), **told) for seed in (0, 1, 2)]  # type: ignore[arg-type]


def study() -> list[LoggedPoint]:
    """Two densities, fine-tuned at three rates; what is from scratch was logged with one of them alone."""
    made = []
    for density in (0.5, 0.05):
        for rate, after in TUNED.items():
            made += at_rate(rate, density=density, after=after)
        made += at_rate(1.0, density=density, mode="scratch_e", after=95.0)
        made += at_rate(1.0, density=density, mode="scratch_b", after=95.5)
    return logged(*made, point(density=0.3))


class TestFinetuningRate(FigureContract):
    name: ClassVar[str] = "finetuning_rate"
    records = staticmethod(study)


def test_differences_are_against_the_network_of_the_same_mask_at_every_rate() -> None:
    made = finetuning_rate.data(frames.frame(study()))
    assert [(line.scratch, line.label) for line in made.lines] == [
        (way, f"density={density}") for way in ("Scratch-E", "Scratch-B") for density in (0.5, 0.05)
    ]
    of = [[(mark.rate, mark.ahead.mean, mark.ahead.verdict) for mark in line.marks] for line in made.lines]
    assert of[0] == [(0.01, -3.0, "worse"), (0.1, 0.25, "equivalent"), (1.0, 2.0, "better")] == of[1]
    assert [mark[1:] for mark in of[3]] == [(-3.5, "worse"), (-0.25, "equivalent"), (1.5, "better")]
    assert {mark.ahead.family for mark in made.marks} == {12}


def test_fine_tuning_of_another_length_has_a_line_of_its_own() -> None:
    longer = [with_settings(one, train_epochs=20, retrain_epochs=20)
              for rate in TUNED for one in (*at_rate(rate, after=96.0), *at_rate(rate, mode="scratch_e"))]  # fmt: skip
    made = finetuning_rate.data(frames.frame([*study(), *logged(*longer, experiment="longer")]))
    assert "density=0.1, 20 + 20 epochs" in [line.label for line in made.lines]


def test_one_rate_is_no_picture() -> None:
    with pytest.raises(UserError, match=r"^no mask is logged both fine-tuned at several learning rates and trained"):
        finetuning_rate.data(frames.frame(logged(*at_rate(0.1), *at_rate(0.1, mode="scratch_e"))))
