"""Networks that papers prune to known sizes: the costs of those for ImageNet, and plans of all presets."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_UP
from pathlib import Path

import pytest
import torchvision

from tests.contracts.cifar_archives import publish
from tests.contracts.commands import called
from tests.contracts.image_folders import two_classes
from tests.contracts.pruned_networks import FOLDER, PRESETS, TARGETS, counted, pruned_table
from tests.contracts.shipped_networks import cut, printed

PAGE = Path(__file__).parents[2] / "docs/networks.md"


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_left_has_the_costs_that_papers_print(name: str) -> None:
    """Some papers round, and others leave digits out."""
    cost, said = counted(name), printed("imagenet")
    for metric, own in (("parameters", cost.parameters_printed / 1e6), ("flops", cost.flop_printed / 1e9)):
        like = said[name, metric]
        assert like in {cut(own, like, rounding) for rounding in (ROUND_DOWN, ROUND_HALF_UP)}


def test_the_page_has_the_table_of_these_networks() -> None:
    assert "\n".join(pruned_table()) in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_planned_with_data_in_their_real_layout(
    preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if preset.startswith("resnet34"):
        data = (f"data.root={two_classes(tmp_path / 'photographs')}", "data.val_images=2", "data.info.classes=2")
    else:
        publish(torchvision.datasets.CIFAR10, tmp_path, monkeypatch)
        data = (f"data.root={tmp_path}", "data.download=true", "data.val_images=20")
    for words in ((), ("-m", "mode=prune,scratch_e,scratch_b")):
        said = called(tmp_path, *words, f"experiment={FOLDER}/{preset}", *data, "device=cpu", "plan=true")
        assert said.returncode == 0, said.stderr
        assert ("points    3 asked" if words else "points    1 asked") in said.stdout
