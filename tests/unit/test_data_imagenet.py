"""ImageNet's layout, with small generated JPEG files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as transform

from pruneexp.data.dataset import Dataset
from pruneexp.data.imagenet import imagenet
from pruneexp.errors import UserError
from pruneexp.tasks.classification import CLASSIFICATION
from tests.contracts.datasets import DatasetContract, everything, labels_of

WNIDS = ("n01440764", "n01443537", "n01484850")


def write(root: Path, per_class: int = 10, test_per_class: int = 4) -> Path:
    """Noise of several sizes, some of it grey, as JPEG files."""
    random = np.random.default_rng(0)
    for split, count in (("train", per_class), ("val", test_per_class)):
        for wnid in WNIDS:
            folder = root / split / wnid
            folder.mkdir(parents=True)
            for number in range(count):
                shape = (int(random.integers(40, 60)), int(random.integers(40, 60)), 3)
                image = Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8))
                (image.convert("L") if number == 0 else image).save(folder / f"{wnid}_{number}.JPEG")
    return root


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A working folder, which holds the remembered digests of images."""
    with contextlib.chdir(tmp_path_factory.mktemp("working")):
        yield


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("imagenet"))


def small(root: Path, workers: int = 0) -> Dataset:
    return imagenet(str(root), image_size=24, resize=32, workers=workers)


class TestImagenet(DatasetContract):
    sizes = (27, 3, 12)
    shape = (3, 24, 24)
    classes = 3
    augmented = True

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, photographs: Path) -> Callable[[], Dataset]:
        return lambda: small(photographs)


def test_central_crop_by_hand(photographs: Path) -> None:
    path = photographs / "val" / WNIDS[1] / f"{WNIDS[1]}_2.JPEG"
    image = Image.open(path)
    scale = 32 / min(image.size)
    resized = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = round((resized.width - 24) / 2), round((resized.height - 24) / 2)
    pixels = transform.to_tensor(resized.crop((left, top, left + 24, top + 24)))
    expected = transform.normalize(pixels, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    found = everything(small(photographs).test, torch.tensor([4 + 2]))
    torch.testing.assert_close(found[0], expected)


def test_every_visit_is_augmented_anew(photographs: Path) -> None:
    twice = everything(small(photographs).train, torch.zeros(2, dtype=torch.int64), torch.Generator().manual_seed(3))
    assert not torch.equal(twice[0], twice[1])


def test_preprocessing_and_files_are_in_the_fingerprint(tmp_path: Path) -> None:
    root = write(tmp_path)
    digests = [small(root).fingerprint, imagenet(str(root), image_size=25, resize=32).fingerprint]
    digests.append(imagenet(str(root), image_size=24, resize=33).fingerprint)
    digests.append(imagenet(str(root), image_size=24, resize=32, val_images=6).fingerprint)
    path = root / "val" / WNIDS[0] / f"{WNIDS[0]}_1.JPEG"
    path.write_bytes(path.read_bytes() + b"\0")
    digests.append(small(root).fingerprint)
    assert len(set(digests)) == 5
    assert small(root, workers=1).fingerprint == digests[-1]


def test_damaged_photograph_is_named(tmp_path: Path) -> None:
    data = small(write(tmp_path))
    path = tmp_path / "val" / WNIDS[2] / f"{WNIDS[2]}_3.JPEG"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError) as caught:
        everything(data.test)
    assert str(caught.value).startswith(f"{path} is damaged")
    assert "Traceback" not in str(caught.value)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{tmp_path}/train must hold one folder of images per class"):
        small(tmp_path)
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir(parents=True)
    with pytest.raises(
        UserError, match=rf"not there: {tmp_path}/train must hold .* \(there is none\); put the official"
    ):
        small(tmp_path)


def test_download_without_the_official_archives_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ImageNet could not be fetched into .*ILSVRC2012_devkit_t12.tar.gz"):
        imagenet(str(tmp_path), download=True)


def test_folders_that_disagree_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "val" / WNIDS[0]).rename(tmp_path / "val" / "n99999999")
    with pytest.raises(UserError, match=r"only one has: n01440764, n99999999"):
        small(tmp_path)


def test_hidden_folders_and_files_are_passed_over(tmp_path: Path) -> None:
    before = small(write(tmp_path))
    for hidden in ("train/.ipynb_checkpoints", "val/.git", f"train/{WNIDS[1]}/.thumbnails", "train/.old"):
        (tmp_path / hidden).mkdir()
    photograph = (tmp_path / "val" / WNIDS[0] / f"{WNIDS[0]}_1.JPEG").read_bytes()
    for hidden in (f"train/{WNIDS[1]}/.thumbnails/1.JPEG", "train/.old/2.JPEG"):
        (tmp_path / hidden).write_bytes(photograph)
    for split in ("train", "val"):
        (tmp_path / split / WNIDS[0] / f"._{WNIDS[0]}_1.JPEG").write_bytes(b"\x00\x05\x16\x07")
        (tmp_path / split / ".DS_Store").write_bytes(b"")
    after = small(tmp_path)
    assert after.fingerprint == before.fingerprint
    for one, other in ((before.train, after.train), (before.val, after.val), (before.test, after.test)):
        assert torch.equal(labels_of(one), labels_of(other))
    assert torch.equal(everything(before.test), everything(after.test))


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_class_is_named(split: str, tmp_path: Path) -> None:
    write(tmp_path)
    for name in ("train", "val"):
        (tmp_path / name / "m0").mkdir()
    other = "val" if split == "train" else "train"
    Image.new("RGB", (40, 40)).save(tmp_path / other / "m0" / "1.png")
    (tmp_path / split / "m0" / "._1.png").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        small(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / split / 'm0'} holds no image (.jpg, .jpeg, .png")
    assert "move it elsewhere if it is no class" in str(caught.value)


def test_classes_have_the_same_numbers_in_both_folders(tmp_path: Path) -> None:
    """Labels follow the names of the folders, not the order in which the disk lists them."""
    root = write(tmp_path)
    for wnid in WNIDS:  # made anew, last first
        (root / "val" / wnid).rename(root / "val" / f"{wnid}-old")
    for wnid in reversed(WNIDS):
        (root / "val" / f"{wnid}-old").rename(root / "val" / wnid)
    (root / "val" / WNIDS[0] / f"{WNIDS[0]}_1.JPEG").unlink()
    assert labels_of(small(root).test).bincount().tolist() == [3, 4, 4]


def test_one_class_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    for split in ("train", "val"):
        for wnid in WNIDS[1:]:
            (tmp_path / split / wnid).rename(tmp_path / f"{split}-{wnid}")
    with pytest.raises(UserError, match="'imagenet' has 1 class"):
        CLASSIFICATION.check(small(tmp_path))


def test_arguments_out_of_range_are_refused(photographs: Path) -> None:
    with pytest.raises(ValueError, match="image_size is 300; 1 to resize=256 is allowed"):
        imagenet(str(photographs), image_size=300)
    with pytest.raises(ValueError, match="workers is -1"):
        imagenet(str(photographs), workers=-1)
    with pytest.raises(UserError, match=r"data\.val_images is 30; the 30 images in train allow 1 to 29"):
        imagenet(str(photographs), val_images=30)


def test_download_leaves_unpacked_folders_alone(photographs: Path) -> None:
    unpacked = imagenet(str(photographs), download=True, image_size=24, resize=32)
    assert unpacked.fingerprint == small(photographs).fingerprint
