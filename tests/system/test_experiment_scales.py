"""Jobs with penalties on scales: where the penalty acts, what is refused, and one whole run of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.stages.graph import Runner, Stage
from tests.contracts.commands import called
from tests.contracts.jobs import built, runs
from tests.contracts.records import fresh_store

SMALL = ("model=vgg_small", "model.widths=[[4],[6],[8]]", "data.image_size=14", "data.samples=120", "train.epochs=1")
SLIMMING = (*SMALL, "reg=slimming", "criterion=slimming", "curve.units=[0.5]")


def steps(*words: str) -> dict[str, Stage]:
    return {step.kind: step for step in built(*words).routes[0].steps}


def target(stage: Stage) -> str:
    """The name of the penalty that a stage trains under."""
    return str(stage.config["penalty"]["_target_"]).rpartition(".")[2]


@pytest.mark.parametrize("mode", ["scratch_e", "scratch_b", "rewind", "prune"])
def test_no_network_that_was_cut_is_trained_for_sparse_scales(mode: str) -> None:
    found = list(steps(*SLIMMING, f"mode={mode}").values())
    assert (target(found[0]), target(found[-1])) == ("Slimming", "WeightDecay")
    assert found[0].config["penalty"]["strength"] == 1e-4
    assert found[-1].config["penalty"]["strength"] == found[0].config["penalty"]["weight_decay"] == 5e-4


def test_unless_that_is_asked_for() -> None:
    found = steps(*SLIMMING, "mode=scratch_e", "~reg.scratch")
    assert target(found["scratch"]) == "Slimming"
    assert built("reg=l2", *SMALL).setting.scratch == built("reg=l2", *SMALL).setting.dense


def test_block_scales_make_another_network_and_their_absence_the_same() -> None:
    small = ("model=resnet20", "model.depth=8", *SMALL[2:])
    plain, without = (built(*small, *words).setting.learner.model.identity for words in ((), ("~model.block_scales",)))
    assert plain == without
    assert steps(*small)["dense"].key != steps(*small, "model.block_scales=true")["dense"].key


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reg=slimming",), r"reg.train acts on the scales of batch normalisation, and LeNet300100 has none"),
        (
            ("criterion=slimming", "model=lenet5", "data.image_size=28"),
            r"none scales the outputs of conv1, conv2: leave these layers out",
        ),
        (
            (*SMALL, "criterion=slimming", "~criterion.unit"),
            r"score channels: criterion.unit is to be that of criterion=slimming",
        ),
        ((*SMALL, "reg=slimming", "reg.weight_decay=-1"), r"reg.train: weight_decay is -1; allowed is a finite number"),
        ((*SMALL, "reg=sparse_structure", "reg.train.channels=false"), r"scales of residual blocks, .* has none"),
    ],
)
def test_what_cannot_be_is_told_before_training(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        built(*words)


def test_training_alone_decides_where_the_budget_is_all(tmp_path: Path) -> None:
    method = ("reg=sparse_structure", "reg.strength=0.5", "criterion=sparse_structure", "curve.units=[1]")
    slow = ("train.epochs=5", "train.lr=0.1", "train.momentum=0", "train.schedule=constant")
    (route,) = built(*SMALL, *slow, *method).routes
    runner = Runner(Store(tmp_path))
    dense = runner.artefact(route.dense).tensors
    first, second, third = (max(1, int(dense[f"norm{stage}_1.weight"].count_nonzero())) for stage in (1, 2, 3))
    assert 3 < first + second + third < 18
    convolutions = 9 * (first + first * second + second * third)
    scales, linear = 2 * (first + second + third), 4 * third + 4
    assert runner.record(route.mask)["removed"]["parameters"] == convolutions + scales + linear


@pytest.mark.parametrize("method", ["slimming", "sparse_structure"])
def test_a_command_slims_a_network_and_fine_tunes_it(method: str, tmp_path: Path) -> None:
    words = ("model=vgg_small", "model.widths=[[4],[6],[8]]", "model.image_size=14", "data=mnist5k", "device=cpu")
    short = ("train.epochs=1", "retrain.epochs=1", "runtime.dashboard=false", "curve.units=[0.5]")
    fresh_store(tmp_path)
    done = called(tmp_path, *words, f"reg={method}", f"criterion={method}", *short)
    assert done.returncode == 0, done.stderr
    (run,) = runs(tmp_path)
    found = run.data.metrics
    assert found["ledger.retrain.epochs"] == 1
    assert found["val.after.top1"] > found["val.before.top1"] + 10
    assert 0 < found["removed_parameters"] < 500  # of 810
    assert 0 < found["removed_flop"] < found["flop_dense"] / 2
