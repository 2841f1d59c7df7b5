"""Images that processes read ahead: the same as those read at once, and the same sentence for a damaged one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pruneexp.errors import UserError
from tests.contracts.datasets import CPU, everything
from tests.contracts.image_folders import FIRST, first_pixels, loaded, two_classes


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # where it is remembered what images held
    return two_classes(tmp_path / "images", side=24)


def test_number_of_workers_changes_nothing(root: Path) -> None:
    order = torch.arange(7).flip(0)
    alone, shared = (
        everything(loaded(root, 24, workers).train, order, torch.Generator().manual_seed(3)) for workers in (0, 2)
    )
    assert torch.equal(alone, shared)


def test_generator_keeps_pace_with_the_batches_not_with_the_workers(root: Path) -> None:
    states = []
    for workers in (0, 2):
        generator = torch.Generator().manual_seed(3)
        next(loaded(root, 24, workers).train.batches(4, CPU, augment=generator))
        states.append(generator.get_state())
    assert torch.equal(*states)


@pytest.mark.parametrize("left", [0, 200], ids=["emptied", "cut"])
def test_a_damaged_image_is_named(left: int, root: Path) -> None:
    path = root / f"{FIRST}.png"
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UserError) as caught:
        first_pixels(root, 24, workers=1)
    assert str(caught.value).startswith(f"{path} is damaged")
    assert str(caught.value).endswith("; replace or delete it")
    assert "\n" not in str(caught.value)
