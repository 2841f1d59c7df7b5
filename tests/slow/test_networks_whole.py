"""Networks at their full size: those for CIFAR trained, pruned and retrained once, those for ImageNet planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp.cache.store import Store
from pruneexp.stages.graph import Runner
from tests.contracts.jobs import built
from tests.contracts.shipped_networks import CIFAR

FEW = ("data.channels=3", "data.samples=40", "train.batch_size=4", "curve.densities=[0.5]")
BY_NAME = [
    *(("torchvision", name) for name in ("vgg11", "vgg11_bn", "vgg16", "vgg16_bn", "resnet18", "resnet34", "resnet50",
                                         "mobilenet_v2", "googlenet", "squeezenet1_0", "squeezenet1_1", "vit_b_16")),
    ("timm", "vit_small_patch16_224"),
]  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize("words", CIFAR.values(), ids=" ".join)
def test_a_network_for_cifar_is_trained_pruned_and_retrained(words: tuple[str, ...], tmp_path: Path) -> None:
    model, *more = words
    found = built(f"model={model}", *more, *FEW, "data.image_size=32", "train.epochs=1", "retrain.epochs=1")
    assert found.overlooked == ""
    (route,) = found.routes
    runner = Runner(Store(tmp_path))
    assert runner.record(route.final)["effort"]["epochs"] == 1
    assert runner.record(route.mask)["density_scope"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("library", "name"), BY_NAME)
def test_a_network_for_imagenet_can_be_planned(library: str, name: str) -> None:
    found = built(f"model={library}", f"model.name={name}", *FEW, "data.image_size=224")
    assert found.overlooked == ""
    assert found.setting.learner.input_shape == (3, 224, 224)
