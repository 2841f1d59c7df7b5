"""Retraining that the dense network teaches: the loss against plain torch, and what stages make of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.stages.graph import Runner
from pruneexp.stages.train import Train
from pruneexp.tasks.classification import CLASSIFICATION
from pruneexp.training.distillation import Distillation, DistilledClassification
from pruneexp.training.fit import fit
from pruneexp.training.recipe import Recipe
from tests.contracts.jobs import built
from tests.contracts.training import CPU, digits, network, same

HOW = ("retrain.distillation.weight=0.7", "retrain.distillation.temperature=3")


def test_the_loss_is_that_of_the_formula() -> None:
    draws = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(5, 4, generator=draws), torch.tensor([0, 2, 1, 1, 0])
    teacher, student = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.9)), nn.Linear(4, 3)
    task = DistilledClassification(teacher, Distillation(weight=0.3, temperature=2.5))
    loss, logits = task.loss(student, inputs, targets, smoothing=0.1)
    assert torch.equal(logits, student(inputs))

    taught = (teacher[0](inputs) / 2.5).softmax(1)
    own = (logits / 2.5).softmax(1)
    apart = (taught * (taught.log() - own.log())).sum(1).mean()
    hard, _ = CLASSIFICATION.loss(student, inputs, targets, smoothing=0.1)
    torch.testing.assert_close(loss, 0.7 * hard + 0.3 * 2.5**2 * apart)

    loss.backward()
    assert student.weight.grad is not None
    assert teacher[0].weight.grad is None


def test_a_training_is_that_of_a_plain_loop() -> None:
    recipe = Recipe(epochs=1, batch_size=44, optimizer="sgd", lr=0.1, momentum=0.0)
    teacher, student, plain = network(seed=1), network(), network()
    fit(
        student, digits(), recipe, seed=3, device=CPU,
        task=DistilledClassification(teacher, Distillation(weight=1.0, temperature=2.0)),
    )  # fmt: skip
    images, _ = next(digits().batches(44, CPU))
    answers = (teacher(images) / 2).softmax(1).detach()
    loss = 4 * -(answers * (plain(images) / 2).log_softmax(1)).sum(1).mean()  # KL but for the teacher's entropy
    loss.backward()
    with torch.no_grad():
        for parameter in plain.parameters():
            assert parameter.grad is not None
            parameter.sub_(0.1 * parameter.grad)
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(student.get_parameter(name), parameter)


def test_the_dense_network_teaches_every_round() -> None:
    route = built(*HOW, "schedule=iterative", "schedule.rounds=2", "curve.densities=[0.2]").routes[0]
    taught = [step for step in route.steps if step.kind == "retrain"]
    assert [[parent.kind for parent in step.parents] for step in taught] == [
        ["mask", "dense", "dense"], ["mask", "retrain", "dense"],
    ]  # fmt: skip
    assert {step.parents[2].key for step in taught} == {route.dense.key}
    assert all(isinstance(step.make, Train) and step.make.group is None for step in taught)


def test_an_uncut_network_learns_nothing_from_itself(tmp_path: Path) -> None:
    words = ("retrain.distillation.weight=1", "reg=none", "curve.densities=[1.0]", "dropout=none")
    route = built(*words, "train.trainer=single").routes[0]
    runner = Runner(Store(tmp_path))
    dense, final = runner.artefact(route.dense), runner.artefact(route.final)
    for name, tensor in dense.tensors.items():
        torch.testing.assert_close(final.tensors[name], tensor, rtol=0, atol=1e-5)
    assert final.record["losses"] == pytest.approx([0.0], abs=1e-6)


def test_the_teacher_is_booked(tmp_path: Path) -> None:
    (plain, _), (taught, learner) = (
        (Runner(Store(tmp_path)).record(job.routes[0].final), job.setting.learner)
        for job in (built("curve.densities=[0.5]"), built(*HOW, "curve.densities=[0.5]"))
    )
    assert taught["effort"]["flop"] - plain["effort"]["flop"] == pytest.approx(learner.epoch_flop / 3)
    assert taught["losses"] != plain["losses"]


def test_without_weight_there_is_no_distillation() -> None:
    key = built().routes[0].final.key
    assert built("retrain.distillation.temperature=9").routes[0].final.key == key
    others = [built(*HOW), built(HOW[0]), built("retrain.distillation.weight=0.5")]
    assert len({key, *(job.routes[0].final.key for job in others)}) == 4
    assert built(*HOW, "mode=scratch_e").routes[0].final.key == built("mode=scratch_e").routes[0].final.key


def test_local_retraining_is_taught_too(tmp_path: Path) -> None:
    words = ("model=lenet5", "data.image_size=16", "retrain.scope=local", "train.epochs=1", "curve.densities=[0.5]")
    plain, taught = (Runner(Store(tmp_path)).artefact(built(*words, *how).routes[0].final) for how in ((), HOW))
    assert len(taught.record["losses"]) == 2
    assert not same(dict(plain.tensors), dict(taught.tensors))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("data=topics", "model=lstm"), "classifiers are distilled, and the task of the data is language_model"),
        (("train.trainer=stacked",), "train.trainer=stacked cannot distil; use train.trainer=auto, or single"),
    ],
)
def test_what_cannot_be_distilled_is_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=rf"^retrain\.distillation\.weight=0\.7: {said}"):
        built(*HOW, *words)


@pytest.mark.parametrize(("weight", "temperature"), [(1.5, 1.0), (0.0, 1.0), (0.5, 0.0)])
def test_values_out_of_range_are_refused(weight: float, temperature: float) -> None:
    with pytest.raises(ValueError, match=r"^(weight is (1.5|0.0); allowed is above 0|temperature is 0.0; allowed is)"):
        Distillation(weight, temperature)
