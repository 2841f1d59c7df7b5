"""The networks for CIFAR in whole jobs: trained, pruned, retrained; on other data and images; what recipes say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pruneexp.cache.store import Store
from pruneexp.stages.graph import Runner
from tests.contracts.composing import composed
from tests.contracts.jobs import built, job_of

#: A narrow network of each family, by its overrides.
FAMILIES = (
    ("model=vgg_small", "model.widths=[[4],[6],[8]]"),
    ("model=vgg16_cifar", "model.widths=[[4,4],[6],[8]]", "model.hidden_units=8"),
    ("model=resnet20", "model.depth=8", "model.widths=[4,6,8]"),
    ("model=resnet56_a", "model.depth=8", "model.inner=[[9],[20],[40]]"),
    ("model=preresnet110", "model.depth=11", "model.widths=[2,3,4]"),
    ("model=densenet40", "model.depth=7", "model.growth=4"),
    ("model=densenet_bc_100", "model.depth=10", "model.growth=4"),
)
IMAGES = ("data.image_size=14", "data.samples=120", "train.epochs=1", "train.lr=0.1")


def finished(folder: Path, *overrides: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The records of the mask and of the result of a job of one point, whose numbers must leave nothing out."""
    found = built(*IMAGES, *overrides)
    assert found.overlooked == ""
    (route,) = found.routes
    runner = Runner(Store(folder))
    return runner.record(route.mask), runner.record(route.final)


@pytest.mark.parametrize("words", FAMILIES, ids=lambda words: words[0].partition("=")[2])
def test_a_family_is_trained_pruned_and_retrained(words: tuple[str, ...], tmp_path: Path) -> None:
    mask, final = finished(tmp_path, *words, "curve.densities=[0.5]")
    assert mask["density_scope"] == pytest.approx(0.5, abs=0.01)
    assert final["effort"]["epochs"] == 1
    assert final["val"]["top1"] >= 25  # four classes


@pytest.mark.parametrize("words", FAMILIES, ids=lambda words: words[0].partition("=")[2])
def test_a_family_loses_filters(words: tuple[str, ...], tmp_path: Path) -> None:
    mask, _ = finished(tmp_path, *words, "criterion=row_magnitude", "curve.units=[0.6]", "mode=scratch_b")
    assert 0.2 < mask["density_scope"] < 1


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 14), (3, 32)])
@pytest.mark.parametrize("model", ["vgg_small", "vgg16_cifar_a", "resnet20"])
def test_other_images_leave_nothing_out_either(model: str, channels: int, size: int) -> None:
    images = (f"data.channels={channels}", f"data.image_size={size}", "data.samples=40")
    found = built(f"model={model}", *images, "curve.densities=[0.5]")
    assert found.overlooked == ""
    assert found.setting.learner.input_shape == (channels, size, size)


@pytest.mark.parametrize("data", ["mnist5k", "fashion_mnist", "cifar10", "cifar100", "imagenet"])
def test_a_network_takes_the_images_of_any_data(data: str) -> None:
    config, _ = composed("model=resnet56", f"data={data}")
    of_data = config.data.info
    found = (config.model.num_classes, config.model.channels, config.model.image_size)
    assert found == (of_data.classes, of_data.channels, of_data.image_size)


def test_pictures_and_digits_of_fourteen_pixels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(8):
            pixels = random.integers(0, 256, (20, 25, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    small = ("model=vgg_small", "model.image_size=14", "device=cpu", "curve.densities=[0.5]")
    pictures = job_of(*composed("data=image_folder", f"data.root='{tmp_path}'", "data.size=16", *small))
    assert pictures.setting.learner.input_shape == (3, 14, 14)
    digits = job_of(*composed("data=mnist5k", *small))
    assert digits.setting.learner.input_shape == (1, 14, 14)
    assert (digits.setting.dense.epochs, digits.setting.retraining.epochs) == (10, 4)  # its recipe


def test_the_papers_recipe_has_its_weight_decay() -> None:
    config, _ = composed("model=resnet56", "data=cifar10", "train=cifar_paper", "reg=weight_decay")
    assert config.reg.strength == 1e-4
    train = {key: config.train[key] for key in ("epochs", "batch_size", "lr", "momentum", "nesterov", "milestones")}
    assert train == {"epochs": 160, "batch_size": 64, "lr": 0.1, "momentum": 0.9, "nesterov": False,
                     "milestones": [0.5, 0.75]}  # fmt: skip
    assert (config.train.augment, config.train.schedule.value, config.train.gamma) == (True, "step", 0.1)
    assert config.train.lr * config.retrain.lr_factor == pytest.approx(0.001)  # the last rate
    short, _ = composed("model=resnet56", "data=mnist5k", "train=cifar_short", "reg=weight_decay")
    assert (short.train.epochs, short.train.lr, short.reg.strength) == (20, 0.1, 1e-4)
    usual, _ = composed("reg=weight_decay")
    assert usual.reg.strength == 5e-4
