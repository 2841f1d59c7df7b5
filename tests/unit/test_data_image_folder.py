"""Pictures in folders of one's own: every mode and size, splits by folder or by seed, and what is refused."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pruneexp.data.dataset import Dataset
from pruneexp.data.image_folder import image_folder
from pruneexp.data.streamed import StreamedSource
from pruneexp.errors import UserError
from tests.contracts.datasets import DatasetContract, everything, labels_of

CLASSES = ("cat", "dog", "fox")
#: The modes that pictures have, each with a format that keeps it.
MODES = (("RGB", "jpg"), ("L", "png"), ("P", "png"), ("RGBA", "png"), ("I;16", "png"), ("CMYK", "jpg"), ("1", "png"),
         ("RGB", "webp"), ("LA", "png"), ("RGB", "bmp"))  # fmt: skip


def in_mode(pixels: np.ndarray, mode: str) -> Image.Image:
    picture = Image.fromarray(pixels)
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    return picture.convert(mode)


def write(folder: Path, count: int = 10) -> Path:
    """Pictures of every mode and of many sizes, in a folder for each class."""
    random = np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            mode, suffix = MODES[number % len(MODES)]
            pixels = random.integers(0, 256, (*random.integers(9, 40, 2), 3), dtype=np.uint8)
            in_mode(pixels, mode).save(folder / name / f"{number}.{suffix}")
    return folder


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A working folder, which holds what is remembered of pictures."""
    with contextlib.chdir(tmp_path_factory.mktemp("working")):
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("pictures") / "all")


def small(root: Path, **others: object) -> Dataset:
    return image_folder(str(root), **{"size": 8, "workers": 0, "val": 0.2, "test": 0.1, **others})  # type: ignore[arg-type]


class TestImageFolder(DatasetContract):
    sizes = (21, 6, 3)
    shape = (3, 8, 8)
    classes = 3
    augmented = True

    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, pictures: Path) -> Callable[[], Dataset]:
        return lambda: small(pictures)


class TestImageFolderStreamed(TestImageFolder):
    @pytest.fixture(scope="class")
    @classmethod
    def load(cls, pictures: Path) -> Callable[[], Dataset]:
        return lambda: small(pictures, memory_gib=0)


def test_the_limit_of_memory_changes_no_number(pictures: Path) -> None:
    resident, streamed = small(pictures), small(pictures, memory_gib=1e-6)
    assert isinstance(streamed.train, StreamedSource)
    assert not isinstance(resident.train, StreamedSource)
    assert resident.fingerprint == streamed.fingerprint
    for one, other in ((resident.train, streamed.train), (resident.val, streamed.val), (resident.test, streamed.test)):
        assert torch.equal(everything(one), everything(other))
        assert torch.equal(labels_of(one), labels_of(other))
    order = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6])
    augmented = [everything(data.train, order, torch.Generator().manual_seed(1)) for data in (resident, streamed)]
    assert torch.equal(*augmented)


def test_a_picture_is_resized_by_its_shorter_side_and_cut_in_the_middle(tmp_path: Path) -> None:
    pixels = np.zeros((8, 20, 3), np.uint8)
    pixels[:, 6:14] = (10, 20, 30)  # the square in the middle
    for name in CLASSES:
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    data = small(tmp_path, val=0.25, test=0.25)
    assert everything(data.val).abs().max() < 0.02  # each channel is its own mean, to four digits


def test_inputs_are_normalised_by_the_training_pictures(pictures: Path) -> None:
    train = everything(small(pictures).train)
    assert train.mean((0, 2, 3)).abs().max() < 1e-3
    assert (train.std((0, 2, 3)) - 1).abs().max() < 1e-2


def single(root: Path, picture: Image.Image, exif: bytes = b"") -> torch.Tensor:
    """A picture as a data set of copies of it sees it, and of others that are black and white."""
    for name in CLASSES:
        for split in ("train", "val", "test"):
            (root / split / name).mkdir(parents=True)
            tone = Image.new("RGB", picture.size, "white" if name == "cat" else "black")
            (tone if split == "train" else picture).save(root / split / name / "0.png", exif=exif)
    seen = everything(small(root).test)[0]
    return (seen * (2**0.5 / 3) + 1 / 3).mul(255).round()  # two of three training pictures are black


def test_what_is_transparent_shows_the_background(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 8, 4))
    found = single(tmp_path / "white", picture)
    assert found[:, :4].unique().tolist() == [255]
    assert found[:, 4:].flatten(1).unique(dim=1).flatten().tolist() == [255, 0, 0]


def test_pictures_stand_upright_as_exif_says(tmp_path: Path) -> None:
    picture, turned = Image.new("RGB", (8, 8)), Image.Exif()
    picture.paste((255, 255, 255), (0, 0, 4, 8))  # white on the left
    turned[274] = 6  # to be turned by 90 degrees
    found = single(tmp_path, picture, turned.tobytes())
    assert found[0, 0].tolist() == [255] * 8  # it is at the top
    assert found[0, 7].tolist() == [0] * 8


# --- splits ---


def test_folders_of_splits_are_taken_as_they_are(tmp_path: Path) -> None:
    for split, count in (("train", 5), ("valid", 3), ("test", 2)):
        write(tmp_path / split, count)
    data = small(tmp_path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [15, 9, 6]


def test_what_has_no_folder_is_held_out_of_train(tmp_path: Path) -> None:
    write(tmp_path / "train")
    data = small(tmp_path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [21, 6, 3]
    write(tmp_path / "test", 4)
    data = small(tmp_path)
    assert [len(part) for part in (data.train, data.val, data.test)] == [24, 6, 12]
    assert labels_of(data.val).bincount().tolist() == [2, 2, 2]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "fox").rename(tmp_path / "train")
    assert small(tmp_path).classes == 3


def test_the_seed_decides_the_split(pictures: Path) -> None:
    first, again, other = (small(pictures, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert torch.equal(everything(first.test), everything(again.test))


# --- what is refused ---


def test_a_broken_file_is_named_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    before = small(tmp_path)
    (tmp_path / "cat" / "x.jpg").write_bytes(b"no picture")
    (tmp_path / "dog" / "y.png").write_bytes(b"")
    with pytest.raises(UserError, match=rf"^2 files cannot be read as a picture: {tmp_path}/cat/x.jpg, .*y.png \("):
        small(tmp_path)
    with pytest.raises(UserError, match=r"data.skip_broken=true leaves them out$"):
        small(tmp_path, memory_gib=0)  # streamed, too: now, and not when its turn comes
    assert small(tmp_path, skip_broken=True).fingerprint == before.fingerprint
    assert "2 files cannot be read as a picture and left out" in capsys.readouterr().err


def test_a_class_of_broken_files_alone_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "gnu").mkdir()
    (tmp_path / "gnu" / "0.jpg").write_bytes(b"no picture")
    with pytest.raises(UserError, match="gnu holds no picture that can be read"):
        small(tmp_path, skip_broken=True)


def test_folders_that_hold_no_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere must hold one folder of images .*; data.root=FOLDER names"):
        small(tmp_path / "nowhere")
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "flat" / "0.png")
    with pytest.raises(UserError, match=r"flat must hold one folder of images per class \(there is none\)"):
        small(tmp_path / "flat")
    (tmp_path / "hollow" / "cat").mkdir(parents=True)
    with pytest.raises(UserError, match=r"hollow/cat holds no image \(.jpg"):
        small(tmp_path / "hollow")


def test_splits_that_disagree_are_refused(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write(tmp_path / split, 4)
    shutil.rmtree(tmp_path / "val" / "fox")
    with pytest.raises(UserError, match=r"train and .*val must hold the same folders of classes; only one has fox"):
        small(tmp_path)
    shutil.rmtree(tmp_path / "train")
    with pytest.raises(UserError, match="has folders of classes in val, but none in train"):
        small(tmp_path)


def test_arguments_out_of_range_are_refused(pictures: Path) -> None:
    with pytest.raises(ValueError, match=r"val is 0.6 and test is 0.5; shares above 0, together below 1"):
        small(pictures, val=0.6, test=0.5)
    with pytest.raises(ValueError, match="size is 0"):
        small(pictures, size=0)
    with pytest.raises(ValueError, match="wite"):
        small(pictures, background="wite")


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    write(tmp_path, 1)
    shutil.rmtree(tmp_path / "fox")
    with pytest.raises(UserError, match="2 is too few pictures to hold val and test out of them"):
        small(tmp_path)
