"""The networks that Han's thesis has beside the paper's: presets at the thesis' scale, and in small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contracts.commands import called
from tests.contracts.image_folders import two_classes

NAMES = ("googlenet", "squeezenet", "resnet50")
FEW = ("data.val_images=2", "data.info.classes=2", "train.batch_size=1", "data.workers=0", "device=cpu")
SMALL = ("model.image_size=64", "data.image_size=64", "data.resize=64")
ONCE = ("train.epochs=1", "retrain.epochs=1", "schedule.rounds=1")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten JPEGs in ImageNet's layout."""
    return two_classes(tmp_path_factory.mktemp("imagenet"), suffix=".JPEG")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_planned_and_takes_its_first_step(name: str, photographs: Path, tmp_path: Path) -> None:
    words = (f"experiment=hanthesis/{name}", f"data.root={photographs}", *FEW)
    planned = called(tmp_path, *words, "plan=true")
    assert planned.returncode == 0, planned.stderr
    assert re.search(r"points +1 asked", planned.stdout)
    assert re.search(r"work +\S+ FLOP", planned.stdout)
    done = called(tmp_path, *words, *SMALL, *ONCE)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(600)
def test_the_networks_run_whole_at_48_px(tmp_path: Path) -> None:
    """With few images of noise; what they learn of digits is in docs/networks.md."""
    few = ("data=synthetic", "data.samples=40", "data.channels=3", "data.image_size=48")
    done = called(tmp_path, "experiment=hanthesis/embedded", *few, "train.epochs=1", "retrain.epochs=1", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert re.search(r"points +6 asked", done.stdout)
