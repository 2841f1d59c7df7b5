"""Each mode keeps the contract, and differs from the others in what it says it differs in."""

from __future__ import annotations

import pytest

from pruneexp.experiment.build import Mode
from pruneexp.modes.lr_rewind import LrRewind
from pruneexp.modes.prune import Prune
from pruneexp.modes.rewind import Rewind
from pruneexp.modes.scratch_b import ScratchB, ScratchBRetraining
from pruneexp.modes.scratch_e import ScratchE
from pruneexp.schema import Budget
from pruneexp.stages.scratch import equal_compute, equal_epochs
from tests.contracts.jobs import built
from tests.contracts.modes import STRONG, check_mode


@pytest.mark.parametrize(
    "mode",
    [Prune(), ScratchE(), ScratchB(), ScratchB(cap=2.0), ScratchBRetraining(), Rewind(), Rewind(1), LrRewind(1)],
    ids=str,
)
def test_contract(mode: Mode) -> None:
    check_mode(mode)


def test_all_modes_share_dense_network_and_mask() -> None:
    setting = built().setting
    routes = [mode.route(setting, [STRONG]) for mode in (Prune(), ScratchE(), ScratchB(), Rewind(), LrRewind(1))]
    assert len({route.dense.key for route in routes}) == 1
    assert len({route.mask.key for route in routes}) == 1
    assert len({route.final.key for route in routes}) == 5


def test_scratch_e_and_b_differ_by_one_value() -> None:
    setting = built().setting
    first, second = (mode.route(setting, [STRONG]).final for mode in (ScratchE(), ScratchB()))
    assert {key for key in first.config if first.config[key] != second.config[key]} == {"epochs"}
    assert [parent.key for parent in first.parents] == [parent.key for parent in second.parents]


@pytest.mark.parametrize(
    ("epochs", "saving", "expected"),
    [(160, 1.1157, 178), (160, 1.3791, 220), (160, 1.1883, 190), (160, 1.6273, 260), (160, 1.519, 243)],
    ids=["ResNet-56-A", "ResNet-56-B", "ResNet-110-A", "ResNet-110-B", "VGG-16-A"],
)
def test_scratch_b_gives_the_epochs_of_the_paper(epochs: int, saving: float, expected: int) -> None:
    assert equal_compute(None).rule(epochs, saving) == expected
    assert equal_epochs().rule(epochs, saving) == epochs


def test_the_cap_doubles_at_most() -> None:
    assert equal_compute(2.0).rule(90, 1.5) == 135
    assert equal_compute(2.0).rule(90, 7.0) == 180


def test_a_cap_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cap=0.5: allowed is 1 or more"):
        ScratchB(cap=0.5)


def test_retraining_is_charged_by_the_masks_that_it_is_under() -> None:
    """20 dense epochs, then 4 of retraining: at density 0.1 alone 200 + 4, and at 0.5 before it 4 * 0.5 / 0.1 more."""
    setting = built("train.epochs=20", "retrain.epochs=4").setting
    mode, mild = ScratchBRetraining(), Budget("density", 0.5)
    assert [mode.route(setting, path).final.epochs for path in ([STRONG], [mild, STRONG])] == [204, 224]
    assert ScratchBRetraining(cap=10.1).route(setting, [mild, STRONG]).final.epochs == 202
    longer = built("train.epochs=20", "retrain.epochs=5").setting
    assert len({mode.route(each, [STRONG]).final.key for each in (setting, longer)}) == 2
    assert len({ScratchB().route(each, [STRONG]).final.key for each in (setting, longer)}) == 1


def test_rewinding_repeats_the_training_in_every_round() -> None:
    steps = Rewind().route(built().setting, [Budget("density", 0.5), STRONG]).steps
    assert [step.kind for step in steps] == ["dense", "mask", "scratch", "mask", "scratch"]
    steps = Prune().route(built().setting, [Budget("density", 0.5), STRONG]).steps
    assert [step.kind for step in steps] == ["dense", "mask", "retrain", "mask", "retrain"]
