"""CIFAR in its archives' real layout, with small generated images and the MD5 sums that belong to them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar
from urllib.error import URLError

import pytest
import torch
import torchvision

from pruneexp.data.cifar import cifar10, cifar100
from pruneexp.data.dataset import Dataset
from pruneexp.errors import UserError
from tests.contracts.cifar_archives import Origin, publish
from tests.contracts.datasets import DatasetContract, everything, labels_of


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the archive of CIFAR-10, unpacked."""
    publish(torchvision.datasets.CIFAR10, tmp_path, monkeypatch)
    cifar10(str(tmp_path), download=True, val_images=20)
    return tmp_path


class CifarContract(DatasetContract):
    shape = (3, 32, 32)
    augmented = True
    origin: ClassVar[Origin]
    made: ClassVar[Callable[..., Dataset]]

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Dataset]]:
        folder = tmp_path_factory.mktemp("cifar")
        with pytest.MonkeyPatch.context() as patch:
            publish(cls.origin, folder, patch)
            yield lambda: cls.made(str(folder), download=True, val_images=cls.sizes[1])


class TestCifar10(CifarContract):
    origin, made = torchvision.datasets.CIFAR10, staticmethod(cifar10)
    sizes = (180, 20, 40)
    classes = 10


class TestCifar100(CifarContract):
    origin, made = torchvision.datasets.CIFAR100, staticmethod(cifar100)
    sizes = (300, 100, 400)
    classes = 100


def test_images_are_torchvisions(root: Path) -> None:
    found, theirs = cifar10(str(root), val_images=20), torchvision.datasets.CIFAR10(root, train=False)
    assert labels_of(found.test).tolist() == theirs.targets
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1)
    std = torch.tensor([0.2470, 0.2435, 0.2616]).view(3, 1, 1)
    pixels = ((everything(found.test) * std + mean) * 255).round().to(torch.uint8)
    assert torch.equal(pixels.permute(0, 2, 3, 1), torch.from_numpy(theirs.data))


def test_missing_files_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        cifar100(str(tmp_path))
    sentence = str(caught.value)
    assert f"CIFAR-100 is not there: train not found in {tmp_path}/cifar-100-python" in sentence
    assert sentence.endswith(f"python -m pruneexp data=cifar100 data.download=true data.root={tmp_path}")


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_damaged_file_is_named_and_never_opened(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(file: object, encoding: str) -> None:
        raise AssertionError("a file with a wrong MD5 was opened")

    path = root / "cifar-10-batches-py" / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(pickle, "load", opened)
    with pytest.raises(UserError, match=rf"{name} is damaged \(its MD5 .*delete it and run: python -m pruneexp"):
        cifar10(str(root), val_images=20)


def test_failed_download_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "download", fail)
    with pytest.raises(UserError, match=r"^CIFAR-10 could not be fetched into .*no route to host"):
        cifar10(str(tmp_path), download=True)
