"""Weights that go back to an epoch of the dense training, and learning rates that do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.experiment.build import Mode
from pruneexp.experiment.identity import identity
from pruneexp.experiment.points import assemble
from pruneexp.modes.lr_rewind import LrRewind
from pruneexp.modes.prune import Prune
from pruneexp.modes.rewind import Rewind
from pruneexp.modes.scratch_e import ScratchE
from pruneexp.schema import Budget
from pruneexp.stages.dense import train_early
from pruneexp.stages.graph import Runner
from tests.contracts.jobs import built
from tests.contracts.modes import MILD, STRONG
from tests.contracts.training import same

DENSE = Budget("density", 1.0)
PLAIN = ("train.momentum=0", "train.epochs=3", "train.warmup=0.5", "reg=weight_decay")


def test_the_early_state_is_the_one_that_dense_training_passes_through(tmp_path: Path) -> None:
    """Trained on from there without moments, and without a cut, it becomes the dense network, to the bit."""
    for trainer in ("stacked", "single"):
        setting = built(*PLAIN, f"train.trainer={trainer}").setting
        route = Rewind(epoch=1).route(setting, [DENSE])
        runner = Runner(Store(tmp_path))
        dense, early, final = (runner.artefact(step) for step in (route.dense, route.steps[1], route.final))
        assert same(dict(dense.tensors), dict(final.tensors))
        assert not same(dict(dense.tensors), dict(early.tensors))
        assert early.record["losses"] == dense.record["losses"][:1]
        assert final.record["losses"] == dense.record["losses"][1:]


def test_rewinding_to_an_epoch_starts_each_round_from_it() -> None:
    route = Rewind(epoch=1).route(built().setting, [MILD, STRONG])
    assert [step.kind for step in route.steps] == ["dense", "early", "mask", "scratch", "mask", "scratch"]
    early = route.steps[1]
    assert [step.parents[1:] for step in route.steps if step.kind == "scratch"] == [(early,), (early,)]
    assert early.key == train_early(built().setting, 1).key


@pytest.mark.parametrize("mode", [Rewind(epoch=1), LrRewind(epoch=1), LrRewind()], ids=str)
def test_another_epoch_is_another_network(mode: Mode) -> None:
    setting = built("train.epochs=3").setting
    routes = [each.route(setting, [STRONG]) for each in (mode, replace(mode, epoch=2), Rewind(), Prune())]  # type: ignore[type-var]
    assert len({route.final.key for route in routes}) == 4
    assert len({route.mask.key for route in routes}) == 1


@pytest.mark.parametrize("mode", ["rewind", "lr_rewind"])
def test_an_epoch_that_dense_training_does_not_have_is_refused(mode: str) -> None:
    for epoch, epochs in (("2", 2), ("-1", 2), ("0.5", 2), ("null", 2), ("1", 0)):
        job = built(f"mode={mode}", f"mode.epoch={epoch}", f"train.epochs={epochs}")
        with pytest.raises(UserError, match=rf"^mode\.epoch=\S+: dense training has {epochs} epochs \(train\.epochs\)"):
            _ = job.routes


def test_rates_are_repeated_on_the_weights_that_were_kept(tmp_path: Path) -> None:
    job = built("mode=lr_rewind", "mode.epoch=1", "train.epochs=3", "train.warmup=0.5", "retrain.lr_factor=0.5")
    runner, route = Runner(Store(tmp_path)), job.routes[0]
    dense, again = runner.record(route.dense), runner.record(route.final)
    assert again["rates"] == dense["rates"][1:]
    assert route.final.of.inherits
    plain = built("train.epochs=3", "train.warmup=0.5", "retrain.lr_factor=0.5").routes[0]
    assert (route.dense.key, route.mask.key) == (plain.dense.key, plain.mask.key)


def test_rates_of_the_whole_training_are_those_of_a_recipe_that_says_the_same() -> None:
    asked = built("mode=lr_rewind").routes[0].final.key
    assert asked == built("retrain.epochs=2", "retrain.lr_factor=1", "retrain.schedule=cosine").routes[0].final.key


def test_fresh_weights_can_have_the_masks_that_rounds_of_rewinding_find() -> None:
    setting, rounds = built().setting, [MILD, STRONG]
    ticket, control, plain = (
        mode.route(setting, rounds) for mode in (Rewind(), ScratchE(rewound_masks=True), ScratchE())
    )
    assert control.mask.key == ticket.mask.key != plain.mask.key
    assert control.final.key != ticket.final.key
    once = [ScratchE(rewound_masks=asked).route(setting, [STRONG]).final.key for asked in (True, False)]
    assert once[0] == once[1]


def test_epochs_are_booked_that_were_trained(tmp_path: Path) -> None:
    job = built("mode=rewind", "mode.epoch=1", "train.epochs=3", "curve.densities=[0.5]", "train.batch_size=128")
    (budget,), (route,) = job.budgets, job.routes
    point = assemble(identity(job, budget, route), route, Runner(Store(tmp_path)), job.setting.learner)
    ledger = point.result.ledger
    assert (ledger.dense.epochs, ledger.retrain.epochs, ledger.scratch.epochs) == (4, 0, 2)
    assert ledger.dense.flop == pytest.approx(4 * job.setting.learner.epoch_flop)


def test_epoch_0_is_no_part_of_an_identity() -> None:
    for mode in ("rewind", "lr_rewind"):
        said, unsaid, later = (
            built(f"mode={mode}", "curve.densities=[0.5]", *more) for more in ((), ("~mode.epoch",), ("mode.epoch=1",))
        )
        keys = [identity(job, job.budgets[0], job.routes[0]) for job in (said, unsaid, later)]
        assert keys[0] == keys[1]
        assert keys[0].curve_key != keys[2].curve_key
        assert (keys[0].rewind_epoch, keys[2].rewind_epoch) == (None, 1)
