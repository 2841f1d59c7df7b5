"""The ImageNet networks of Liu et al. 2019 and others, by name: small ones are planned, and nothing is left out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from pruneexp.__main__ import main
from tests.contracts.jobs import built

IMAGES = ("data=synthetic", "data.channels=3", "data.image_size=64", "data.samples=40", "train.batch_size=4")


@pytest.mark.parametrize("words", [("torchvision", "resnet18"), ("torchvision", "squeezenet1_1"),
                                   ("torchvision", "mobilenet_v2")])  # fmt: skip
def test_a_small_network_by_name(words: tuple[str, str]) -> None:
    library, name = words
    found = built(f"model={library}", f"model.name={name}", "model.image_size=64", *IMAGES, "curve.densities=[0.5]")
    assert found.overlooked == ""
    assert found.setting.learner.costs.flop_total == pytest.approx(sum(found.setting.learner.costs.layer_flop.values()))


def test_its_plan_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("model=torchvision", "model.name=resnet18", "model.image_size=64", *IMAGES)
    with contextlib.chdir(tmp_path):
        assert main([*words, "criterion.layers=[conv]", "curve.densities=[0.7,0.4]", "device=cpu", "plan=true"]) == 0
    said = capfd.readouterr().out
    assert said.startswith("resnet18 · synthetic")
    assert "points    2 asked" in said
    assert "not pruned: fc, " in said
    assert not list(tmp_path.rglob("*.safetensors"))
