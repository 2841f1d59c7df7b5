"""Networks that people bring: what cannot work is said in one sentence before anything runs, and the rest works."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pruneexp.__main__ import main
from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.experiment import served
from pruneexp.experiment.build import Job
from pruneexp.pruning.layers import prunable
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Runner
from pruneexp.stages.setting import Learner
from sweeps.__main__ import main as sweeps
from tests.contracts import brought, brought_odd
from tests.contracts.composing import SMALL
from tests.contracts.jobs import built
from tests.contracts.training import same, values


def job(network: type[nn.Module], *others: str, **arguments: Any) -> Job:
    return built(*brought.overrides(network, **arguments), *others)


REFUSED: list[tuple[type[nn.Module], dict[str, Any], str]] = [
    (brought.Remembers, {"tensor": False}, "_extra_state in the state of the model is a dict, and only tensors"),
    (brought.Complex, {}, r"first.weight of the model is a tensor that cannot be stored \(torch.complex64"),
    (brought.Sharing, {"how": "transposed"}, "there.weight and back.weight of the model share memory"),
    (brought.Sharing, {"how": "overlapping"}, "there.weight and back.weight of the model share memory"),
    (brought.Sharing, {"how": "expanded"}, r"back.weight of the model is one number at several places"),
    (brought.Answering, {"what": "a_tuple"}, r"gives a tuple in training mode, where one tensor of shape \(2, 4\)"),
    (brought.Answering, {"what": "'a dict'"}, "gives a dict, where one tensor"),
    (brought.Answering, {"what": "classes"}, r"gives a tensor of shape \(2,\) for 2 images, where"),
    (brought.Answering, {"what": "'no gradient'"}, "cannot be trained on a batch of 2 images"),
    (brought.Frozen, {"whole": True}, "all parameters of Frozen are frozen"),
    (brought.Lazy, {"idle": True}, "idle.weight, idle.bias of the model are lazy"),
    (brought.Branching, {}, "FLOP and dead units of the model cannot be known"),
    *(
        (brought.Computed, {"by": f"'{by}'"}, "the weights of first are computed anew .*remove_parametrizations")
        for by in (
            "pruning",
            "a parametrization",
            "weight_norm",
            "spectral_norm",
            "orthogonal",
            "the old weight_norm",
            "the old spectral_norm",
        )
    ),
    (brought.ByProperty, {}, "the weights of first are computed anew"),
]


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize(("network", "arguments", "sentence"), REFUSED)
def test_what_cannot_work_is_refused_in_one_sentence(
    network: type[nn.Module], arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        job(network, **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["plan=true"],
        ["-m", "seed=0,1"],
        ["study=sensitivity"],
        ["study=knee"],
        ["study=layer_thresholds", "criterion=layer_magnitude"],
    ],
)
def test_every_command_refuses_it_alike(words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command = sweeps if any(word.startswith("study=") for word in words) else main
    with contextlib.chdir(tmp_path):
        assert command([*words, *SMALL, *brought.overrides(brought.Computed, by="orthogonal")]) == 2
    said = capfd.readouterr().err
    assert "the weights of first are computed anew" in said
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.slow  # GoogLeNet is built three times
def test_torchvisions_auxiliary_classifiers_have_a_switch() -> None:
    googlenet = ("model._target_=torchvision.models.googlenet", "~model.channels", "~model.image_size")
    tiny = ("data.channels=3", "data.image_size=16", "data.samples=40", "+model.init_weights=false")
    with pytest.raises(UserError, match=r"GoogLeNetOutputs in training mode.*: set \+model.aux_logits=false"):
        built(*googlenet, *tiny)
    with pytest.raises(UserError, match=r": set model.aux_logits=false"):
        built(*googlenet, *tiny, "+model.aux_logits=true")
    assert built(*googlenet, *tiny, "+model.aux_logits=false").overlooked == ""


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        (brought.Remembers, {"tensor": True}),
        (brought.Sharing, {"how": "'one parameter'"}),
        (brought.Frozen, {"whole": False}),
        (brought.Lazy, {}),
        (brought.Empty, {}),
        (brought.Squeezing, {}),
        (brought.Neck, {}),
    ],
)
def test_what_can_work_does(network: type[nn.Module], arguments: dict[str, Any], tmp_path: Path) -> None:
    [route] = job(network, "curve.densities=[0.5]", **arguments).routes
    runner = Runner(Store(tmp_path))
    assert runner.record(route.final)["effort"]["epochs"] == 1
    assert runner.record(route.mask)["density_scope"] == pytest.approx(0.5, abs=0.01)


def test_lazy_layers_start_as_those_of_known_size() -> None:
    lazy, known = job(brought.Lazy).setting.learner, job(brought.Lazy, lazy=False).setting.learner
    for start in ("initial", "fresh"):
        assert same(values(lazy.network(start)), values(known.network(start)))
    assert not any(isinstance(module, nn.modules.lazy.LazyModuleMixin) for module in lazy.network("fresh").modules())
    assert lazy.costs.layer_flop == known.costs.layer_flop


def test_a_network_with_lazy_layers_is_read_back_from_its_files(tmp_path: Path) -> None:
    setting = job(brought.Lazy).setting
    network, node = setting.learner.network("initial").eval(), {**setting.learner.model.identity}
    del node["_sources_"]
    served.write(tmp_path, node, setting.learner.input_shape, network.state_dict())
    images = torch.randn(3, 1, 12, 12)
    found = served.read(tmp_path, ["tests"]).predict(images.numpy())
    assert found == pytest.approx(network(images).detach().numpy(), abs=1e-6)


def test_a_layer_without_weights_is_none_to_prune() -> None:
    assert list(prunable(job(brought.Empty).setting.learner.network("fresh"))) == ["first", "last", "idle"]


def test_trying_a_network_out_leaves_no_trace() -> None:
    before = torch.get_rng_state()
    setting = job(brought.Neck).setting
    assert torch.equal(torch.get_rng_state(), before)
    network = setting.learner.network("initial")
    assert int(values(network)["norm.num_batches_tracked"]) == 0
    assert not any(values(network)["norm.running_mean"])


def test_one_image_at_the_end_of_a_split_must_give_its_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        job(brought.Squeezing, strict=True).setting.learner.costs.layer_flop["head"] == 2 * 8 * 4
    )  # no split ends with one
    val = len(job(brought.Squeezing).setting.learner.data.value.val)
    monkeypatch.setattr(Learner, "evaluation_batch", val - 1)
    job(brought.Squeezing)
    with pytest.raises(UserError, match="the model does not take images of shape"):
        job(brought.Squeezing, strict=True)


def test_a_batch_of_one_is_tried_where_training_has_such() -> None:
    with pytest.raises(UserError, match="cannot be trained on a batch of 1 images"):
        job(brought.Neck, "train.batch_size=1")


def test_a_full_memory_is_not_taken_for_a_fault_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: brought.Convolutional, images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("no memory is left")

    monkeypatch.setattr(brought.Convolutional, "forward", full)
    with pytest.raises(torch.OutOfMemoryError, match="no memory is left"):
        job(brought.Convolutional)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("a permutation", "two copies of the model with the same state_dict answer differently"),
        ("a buffer that is not stored", "two copies of the model with the same state_dict answer differently"),
        ("a switch", "two copies of the model with the same state_dict answer differently"),
        ("a count", "two copies of the model with the same state_dict answer differently"),
        ("a parameter made in a pass", "the model makes late.bias, late.weight while it runs"),
    ],
)
def test_what_a_network_needs_is_in_its_state(what: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        job(brought_odd.Unsaved, what=f"'{what}'", pretrained=str(what == "a switch").lower())


def test_a_buffer_that_is_stored_goes_from_stage_to_stage(tmp_path: Path) -> None:
    found = job(brought_odd.Unsaved, "curve.densities=[1.0]", "retrain.epochs=0", what="'a buffer that is stored'")
    runner = Runner(Store(tmp_path))
    (route,) = found.routes
    assert runner.record(route.final)["val"] == runner.record(route.dense)["val"]


def test_code_that_differentiates_in_its_forward_pass_is_scored(tmp_path: Path) -> None:
    (route,) = job(brought_odd.Inward, "curve.densities=[0.5]", "train.epochs=1").routes
    assert Runner(Store(tmp_path)).record(route.final)["val"]["top1"] > 0


def test_no_argument_of_a_network_takes_the_place_of_its_code() -> None:
    first, second = (job(brought.Keyword, sources=value).setting for value in (1, 2))
    assert train_dense(first).key != train_dense(second).key
