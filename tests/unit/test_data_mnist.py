"""MNIST and Fashion-MNIST: in torchvision's folders and flat, plain and compressed, whole, damaged and missing."""

from __future__ import annotations

import functools
import gzip
import struct
import threading
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from pruneexp.data.dataset import Dataset
from pruneexp.data.fashion_mnist import fashion_mnist
from pruneexp.data.mnist import mnist
from pruneexp.errors import UserError
from pruneexp.tasks.classification import CLASSIFICATION
from tests.contracts.datasets import DatasetContract, everything, labels_of

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
TRAIN, TEST = 200, 60


def idx(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """The IDX format: two zeros, the type, the number of dimensions, the dimensions, the bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write(folder: Path, compressed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for prefix, count in (("train", TRAIN), ("t10k", TEST)):
        for kind, array in (
            ("images-idx3", random.integers(0, 256, (count, 28, 28), dtype=np.uint8)),
            ("labels-idx1", (np.arange(count) % 10).astype(np.uint8)),
        ):
            content, suffix = (gzip.compress(idx(array)), ".gz") if compressed else (idx(array), "")
            (folder / f"{prefix}-{kind}-ubyte{suffix}").write_bytes(content)
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name in the standard library
        pass


class TestMnist(DatasetContract):
    sizes = (180, 20, 60)
    shape = (1, 28, 28)
    classes = 10

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Dataset]:
        root = tmp_path_factory.mktemp("flat")
        write(root)
        return lambda: mnist(str(root), val_images=20)


class TestFashionMnist(DatasetContract):
    """On the real files in the folder of Debian's package."""

    real = DEBIAN.is_dir()
    sizes = (55_000, 5000, 10_000) if real else (180, 20, 60)
    shape = (1, 28, 28)
    classes = 10
    twins = 0

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Dataset]:
        if cls.real:
            return lambda: fashion_mnist(str(DEBIAN))
        root = write(tmp_path_factory.mktemp("generated"))
        return lambda: fashion_mnist(str(root), val_images=20)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("folder", ["", "MNIST/raw"])
def test_every_layout_gives_the_same_data(folder: str, compressed: bool, tmp_path: Path) -> None:
    write(tmp_path / folder, compressed)
    reference = write(tmp_path / "other" / "MNIST" / "raw", compressed=False)
    found = mnist(str(tmp_path), val_images=20)
    theirs = torchvision.datasets.MNIST(reference.parent.parent, train=False)
    assert found.fingerprint == mnist(str(tmp_path / "other"), val_images=20).fingerprint
    assert found.fingerprint != mnist(str(tmp_path), val_images=21).fingerprint
    assert torch.equal(labels_of(found.test), theirs.targets)
    pixels = (everything(found.test) * 0.3081 + 0.1307) * 255
    assert torch.equal(pixels.round().to(torch.uint8).squeeze(1), theirs.data)


def test_a_pixel_changed_in_place_is_noticed(tmp_path: Path) -> None:
    before = mnist(str(write(tmp_path, compressed=False)), val_images=20).fingerprint
    path = tmp_path / "t10k-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert mnist(str(tmp_path), val_images=20).fingerprint != before


def test_missing_files_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    root = tmp_path / "my data"
    with pytest.raises(UserError) as caught:
        mnist(str(root))
    sentence = str(caught.value)
    assert f"{root}/MNIST/raw or {root}" in sentence
    assert sentence.endswith(f"python -m pruneexp data=mnist data.download=true data.root='{root}'")


def test_files_of_one_family_are_not_taken_for_the_other(tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw")
    with pytest.raises(UserError, match="Fashion-MNIST is not there"):
        fashion_mnist(str(tmp_path))


def test_download_is_torchvisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on this machine instead of the mirror; torchvision does everything else."""
    served = write(tmp_path / "server")
    root = tmp_path / "root"
    names = [(path.name, None) for path in sorted(served.iterdir())]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", names)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=served)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        found = mnist(str(root), download=True, val_images=20)
        server.shutdown()
    assert (root / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file()
    assert found.fingerprint == mnist(str(served), val_images=20).fingerprint


@pytest.mark.parametrize(
    "error", [URLError("no route to host"), RuntimeError("Error downloading"), OSError("read-only")]
)
def test_failed_download_is_one_sentence(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object) -> None:
        raise error

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", fail)
    with pytest.raises(UserError, match=r"^MNIST could not be fetched into .*(no route|Error downloading|read-only)"):
        mnist(str(tmp_path), download=True)


@pytest.mark.parametrize(
    "content",
    [
        b"not compressed",
        gzip.compress(b"not IDX at all, but long enough"),
        gzip.compress(b""),
        gzip.compress(idx(np.zeros((TRAIN, 28, 28), np.uint8)))[:-20],
        gzip.compress(idx(np.zeros((TRAIN, 28, 28), np.uint8))[:-20]),
        gzip.compress(idx(np.zeros((TRAIN,), np.uint8))),
    ],
    ids=("plain", "not IDX", "empty", "cut gzip", "cut IDX", "one dimension"),  # gzip puts the time into its bytes
)
def test_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    (write(tmp_path) / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte.gz is damaged .*; delete it and run: python -m"):
        mnist(str(tmp_path))


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    (write(tmp_path) / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(TEST - 1, np.uint8))))
    with pytest.raises(UserError, match=f"holds {TEST} images but .* {TEST - 1} labels"):
        mnist(str(tmp_path))


def test_label_out_of_range_is_refused(tmp_path: Path) -> None:
    (write(tmp_path) / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.full(TEST, 10, np.uint8))))
    with pytest.raises(UserError, match="test split of data set 'mnist' has labels from 10 to 10"):
        CLASSIFICATION.check(mnist(str(tmp_path), val_images=20))
