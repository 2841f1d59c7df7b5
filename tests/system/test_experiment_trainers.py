"""Which trainer trains: what follows from network and recipe, what is asked for, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pruneexp.cache.store import Store
from pruneexp.config.skeleton import RuntimeConfig
from pruneexp.errors import UserError
from pruneexp.experiment import threads
from pruneexp.stages.graph import Runner
from pruneexp.stages.together import train_together
from pruneexp.training.trainers.removed import Removed
from pruneexp.training.trainers.single import Single
from pruneexp.training.trainers.stacked import Stacked
from tests.contracts.jobs import built
from tests.contracts.trainers import InTurn

CONV = ("model=lenet5", "data.image_size=16")
OWN = ("runtime.allow=[tests]", "train.trainer={_target_: tests.contracts.trainers.InTurn}")


def trainers(*overrides: str) -> tuple[type, type]:
    setting = built(*overrides).setting
    return type(setting.dense.trainer.value), type(setting.retraining.trainer.value)


def keys(*overrides: str) -> dict[str, str]:
    return {step.kind: step.key for step in built(*overrides).routes[0].steps}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), (Stacked, Stacked)),
        (CONV, (Single, Single)),
        ((*CONV, "retrain.scope=local"), (Single, Single)),
        (("train.precision=bfloat16",), (Single, Single)),
        (("runtime.allow=[tests]", "model._target_=tests.contracts.doubtful.Blind"), (Single, Single)),
        (
            ("runtime.allow=[tests]", "model._target_=tests.contracts.doubtful.Blind", "train.trainer=stacked"),
            (Stacked, Stacked),
        ),
        (("data.image_size=64", "model.channels=1"), (Single, Single)),  # 1.3 million parameters
        (("train.trainer=single",), (Single, Single)),
        (("train.trainer=stacked",), (Stacked, Stacked)),
        (OWN, (InTurn, InTurn)),
    ],
)
def test_network_and_recipe_choose_where_the_user_does_not(
    overrides: tuple[str, ...], expected: tuple[type, type]
) -> None:
    assert trainers(*overrides) == expected


def test_a_network_that_lost_nothing_is_trained_whole() -> None:
    small = ("train.trainer=removed", *CONV)
    setting = built(*small).setting
    regimes = (setting.dense, setting.scratch, setting.retraining)
    assert [type(regime.trainer.value) for regime in regimes] == [Single, Removed, Removed]
    for mode in ("prune", "scratch_e"):
        removed, single = keys(*small, f"mode={mode}"), keys(*CONV, f"mode={mode}")
        trained = "retrain" if mode == "prune" else "scratch"
        assert [kind for kind in single if removed[kind] != single[kind]] == [trained]


def test_the_number_of_points_has_no_say() -> None:
    assert keys("curve.densities=[0.5]") == keys("curve.densities=[0.5,0.1]")


def test_what_a_trainer_trains_has_its_name_in_its_key_and_single_leaves_none() -> None:
    auto, single, stacked = keys(), keys("train.trainer=single"), keys("train.trainer=stacked")
    assert auto == stacked
    assert set(auto.values()).isdisjoint(single.values())
    assert keys(*CONV) == keys(*CONV, "train.trainer=single")
    own, other = keys(*OWN), keys(*OWN, "+train.trainer.refused=''")
    assert own["dense"] not in (single["dense"], stacked["dense"], other["dense"])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            (*CONV, "train.trainer=stacked"),
            r"^train.trainer=stacked cannot train model=lenet5: .*Conv2d\) is no layer of a chain; train.trainer=",
        ),
        (("train.precision=bfloat16", "train.trainer=stacked"), "it trains in float32, and the precision is bfloat16"),
        (
            (*OWN, "+train.trainer.refused='it is Monday'"),
            "^train.trainer=tests.contracts.trainers.InTurn cannot train model=lenet_300_100: it is Monday; ",
        ),
        (("train.trainer=fast",), "=fast: allowed is auto, removed, single, stacked, or a trainer of yours"),
        (("train.trainer=3",), "^train.trainer=3: allowed is auto, removed, single, stacked, or a trainer of yours"),
    ],
)
def test_a_trainer_that_cannot_be_had_is_refused_before_any_work(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        built(*overrides)


def test_a_trainer_of_the_users_is_given_the_points_of_a_curve(tmp_path: Path) -> None:
    InTurn.seen.clear()
    own, plain = built(*OWN, "curve.densities=[0.5,0.1]"), built("curve.densities=[0.5,0.1]", "train.trainer=single")
    runner, other = Runner(Store(tmp_path / "own")), Runner(Store(tmp_path / "plain"))
    train_together(runner, own.routes)
    assert InTurn.seen == [1, 2]  # the dense network, then both points
    for ours, theirs in zip(own.routes, plain.routes, strict=True):
        one, two = runner.artefact(ours.final).tensors, other.artefact(theirs.final).tensors
        assert all(torch.equal(one[name], two[name]) for name in two)
    assert InTurn.seen == [1, 2]


@pytest.mark.parametrize(
    ("said", "batch", "cores", "expected"),
    [(None, 64, 8, 1), (None, 1_100, 8, 1), (None, 5_000, 16, 8), (None, 5_000, 2, 2), (3, 64, 8, 3)],
)
def test_threads_follow_from_network_and_batch(
    said: int | None, batch: int, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the 73,600 weights of the small network costs 6 FLOP for an image, forwards and backwards."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_present", lambda: cores)
    learner = built().setting.learner
    assert sum(learner.costs.layer_flop.values()) == 147_200
    assert threads.threads(RuntimeConfig(threads=said), learner, batch) == expected
    assert threads.threads(RuntimeConfig(threads=said, cores=1), learner, batch) == expected
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert threads.threads(RuntimeConfig(threads=said), learner, batch) == (said or 7)


def test_cores_are_those_that_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_present", lambda: 8)
    assert threads.cores(RuntimeConfig()) == 8
    assert threads.cores(RuntimeConfig(threads=4)) == 4
    assert threads.cores(RuntimeConfig(threads=4, cores=2)) == 2
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.cores(RuntimeConfig()) == 3
