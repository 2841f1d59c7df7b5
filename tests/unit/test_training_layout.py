"""The layout of convolutions: the networks and weights that are moved into it, and that numbers stay the same."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pruneexp.cache.store import Store
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Runner
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import load
from pruneexp.training import layout
from pruneexp.training.evaluation import evaluate
from pruneexp.training.fit import fit
from pruneexp.training.seeding import derive
from tests.contracts import brought
from tests.contracts.datasets import labels_of
from tests.contracts.jobs import built
from tests.contracts.training import CPU, SGD, digits, same, values


def setting_of(order: str, *others: str) -> Setting:
    return built(*brought.overrides(brought.Convolutional, order=f"'{order}'"), *others).setting


def is_moved(setting: Setting) -> bool:
    """Whether the networks of a job run with the channels of a pixel side by side."""
    ways = {layout.for_network(setting.learner.network(start)) for start in ("initial", "fresh")}
    assert len(ways) == 1
    return ways == {layout.channels_last}


@pytest.mark.parametrize("order", ["view", "view in training", "memory"])
def test_a_network_that_depends_on_the_order_in_memory_is_left_alone(order: str) -> None:
    assert not is_moved(setting_of(order))


@pytest.mark.parametrize("order", ["flatten", "draws"])
def test_any_other_is_moved(order: str) -> None:
    assert is_moved(setting_of(order, "dropout=fixed"))  # no other policy takes a network that drops by a function


@pytest.mark.parametrize(
    "words",
    [
        ("model=lenet5", "data.image_size=16"),
        ("model=alexnet", "data.image_size=67", "data.samples=40"),
    ],
)
def test_the_shipped_networks_are_moved(words: tuple[str, ...]) -> None:
    assert is_moved(built(*words).setting)


@pytest.mark.parametrize("order", ["view", "memory"])
def test_every_stage_has_the_numbers_of_the_usual_order(order: str, tmp_path: Path) -> None:
    """Trained and scored by plain passes, without this module."""
    setting = setting_of(order, "dropout=none", "reg=none", "train.epochs=1", "data.samples=100")
    found = Runner(Store(tmp_path)).artefact(train_dense(setting))
    plain = layout.stays_contiguous(brought.Convolutional(4))
    load(plain, values(setting.learner.network("initial")), "the initial network")
    data = setting.learner.data.value
    fit(plain, data.train, setting.dense.recipe.value, seed=derive(setting.seed, "train"), device=CPU)
    assert same(dict(found.tensors), values(plain))
    logits = plain.eval()(torch.cat([images for images, _ in data.val.batches(256, CPU)]))
    right = (logits.argmax(1) == labels_of(data.val)).double().mean()
    assert found.record["val"]["top1"] == pytest.approx(100 * float(right))


class Placed(nn.Module):
    """A 4-D parameter that is no kernel, and that needs the usual order."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 3, 3, padding=1)), nn.Linear(3 * 36, 3)
        self.place, self.volume = nn.Parameter(torch.ones(1, 3, 6, 6)), nn.Conv3d(1, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.conv(images) + self.place.view(1, -1).view(1, 3, 6, 6)
        logits: Tensor = self.head(self.volume(x.unsqueeze(1)).flatten(1))
        return logits


def test_kernels_alone_are_moved_and_come_back() -> None:
    torch.manual_seed(0)
    network = Placed()
    before = dict(network.named_parameters())
    with layout.arranged(network):
        assert [name for name, parameter in before.items() if not parameter.is_contiguous()] == ["conv.1.weight"]
        kernel = network.get_parameter("conv.1.weight")
        assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert all(parameter.is_contiguous() for parameter in network.parameters())
    assert all(before[name] is parameter for name, parameter in network.named_parameters())
    fit(network, digits(), replace(SGD, lr=0.01), seed=0, device=CPU)


def test_a_copy_of_a_marked_network_is_marked() -> None:
    network = layout.stays_contiguous(nn.Sequential(nn.Conv2d(1, 2, 3)))
    assert layout.for_network(copy.deepcopy(network)) is layout.as_is
    assert list(network.state_dict()) == ["0.weight", "0.bias"]


def test_a_single_image_that_loses_its_batch_is_scored_like_any_other() -> None:
    torch.manual_seed(0)
    network, data = brought.Squeezing(3), digits(5)
    found, whole = (evaluate(network, data, device=CPU, batch_size=size) for size in (4, 5))
    assert found["top1"] == whole["top1"]
    assert found.loss == pytest.approx(whole.loss, rel=1e-6)
