"""PASCAL VOC is read as its files say; what is missing or broken is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from pruneexp.data.dataset import Dataset
from pruneexp.data.voc import CLASSES, voc
from pruneexp.errors import UserError
from pruneexp.tasks.detection import Detection
from tests.contracts.voc_files import HEIGHT, WIDTH, Row, annotation, write

DOG: Row = ("dog", 1, 1, WIDTH, HEIGHT, 0)
HALF: Row = ("cat", 41, 1, 80, 20, 1)


@pytest.fixture(autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of files lies in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def small(folder: Path, **others: object) -> Dataset:
    return voc(str(folder), **{"size": 64, "val_images": 1, **others})  # type: ignore[arg-type]


def all_of(data: Dataset, split: str) -> tuple[Tensor, Tensor]:
    source = getattr(data, split)
    found: tuple[Tensor, Tensor] = next(iter(source.batches(len(source), torch.device("cpu"))))
    return found


def test_boxes_are_edges_in_the_square(tmp_path: Path) -> None:
    """80 x 40 px become 64 x 32. A box of all pixels has the edges of the picture; files count pixels from 1."""
    data = small(write(tmp_path / "voc", [[DOG], [DOG], [DOG, HALF], [DOG, HALF]], test=2))
    assert (len(data.train), len(data.val), len(data.test)) == (1, 1, 2)
    assert (data.name, data.classes, data.shape) == ("voc2007", 20, (3, 64, 64))
    targets = all_of(data, "test")[1]
    assert targets.shape == (2, 2, 6)
    dog, cat = CLASSES.index("dog"), CLASSES.index("cat")
    assert targets[1].tolist() == [[0, 0, 64, 32, dog, 0], [32, 0, 64, 16, cat, 1]]
    Detection().check(data)


def test_a_picture_fills_the_upper_half_of_its_square(tmp_path: Path) -> None:
    images, _ = all_of(small(write(tmp_path / "voc", [[DOG]] * 3)), "test")
    pixels = images[0] * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    pixels = (pixels + torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) * 255
    assert (pixels[:, :31].mean((1, 2)) - torch.tensor([40.0, 100, 30])).abs().max() < 3
    assert (pixels[:, 32:].mean((1, 2)) - torch.tensor([124.0, 116, 104])).abs().max() < 0.1


def test_pictures_without_objects_are_taken(tmp_path: Path) -> None:
    data = small(write(tmp_path / "voc", [[], [DOG], [], [DOG]], test=2), val_images=1)
    targets = all_of(data, "test")[1]
    assert targets[0].tolist() == [[-1] * 6]
    assert int((targets[:, :, 4] >= 0).sum()) == 1


def test_streamed_pictures_are_the_same(tmp_path: Path) -> None:
    folder = write(tmp_path / "voc", [[DOG]] * 5)
    one, other = small(folder), small(folder, memory_gib=0, workers=0)
    assert one.fingerprint == other.fingerprint
    for split in ("train", "val", "test"):
        for found, wanted in zip(all_of(one, split), all_of(other, split), strict=True):
            assert torch.equal(found, wanted)


def test_what_changes_a_batch_changes_the_fingerprint(tmp_path: Path) -> None:
    prints = [small(write(tmp_path / "a", [[DOG]] * 4)).fingerprint]
    prints += [small(tmp_path / "a", **each).fingerprint for each in ({"size": 32}, {"val_images": 2})]
    (tmp_path / "a/Annotations/000001.xml").write_text(annotation([HALF]))
    prints += [small(tmp_path / "a").fingerprint]
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a/JPEGImages/000002.jpg")
    prints += [small(tmp_path / "a").fingerprint]
    assert len(set(prints)) == 5


def test_other_classes_are_told_by_their_names(tmp_path: Path) -> None:
    data = small(write(tmp_path / "voc", [[("disc", 1, 1, 9, 9, 0)]] * 3), classes=["square", "disc"])
    assert data.classes == 2
    assert float(all_of(data, "val")[1][0, 0, 4]) == 1


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("ImageSets/Main/test.txt", None, "cannot be read: No such file or directory"),
        ("ImageSets/Main/test.txt", "\n", "names no picture"),
        ("Annotations/000001.xml", None, "cannot be read: No such file or directory"),
        ("Annotations/000001.xml", "<annotation>", "is damaged or of another format"),
        ("Annotations/000001.xml", "<annotation/>", "no size/width in <annotation>"),
        (
            "Annotations/000001.xml",
            annotation([("unicorn", 1, 1, 5, 5, 0)]),
            "has an object 'unicorn', and data.classes",
        ),
        ("Annotations/000001.xml", annotation([("dog", 9, 9, 5, 5, 0)]), "the box of an object 'dog' has no area"),
        ("JPEGImages/000001.jpg", None, "cannot be read: No such file or directory"),
        ("JPEGImages/000001.jpg", "no picture", "is damaged or of another format"),
    ],
)
def test_a_file_that_is_missing_or_broken_is_named(tmp_path: Path, file: str, content: str | None, said: str) -> None:
    folder = write(tmp_path / "voc", [[DOG]] * 3)
    (folder / file).unlink() if content is None else (folder / file).write_text(content)
    with pytest.raises(UserError) as caught:
        small(folder)
    assert said in str(caught.value)
    assert str(folder / file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_another_layout_is_named_with_the_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none has no folder ImageSets/Main; data\.root=FOLDER names"):
        small(tmp_path / "none")


def test_a_picture_is_in_one_split_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "voc", [[DOG]] * 3)
    (folder / "ImageSets/Main/test.txt").write_text("000000\n")
    with pytest.raises(UserError, match=r"000000 is both in trainval\.txt and in test\.txt"):
        small(folder)


def test_val_leaves_something_to_train_on(tmp_path: Path) -> None:
    folder = write(tmp_path / "voc", [[DOG]] * 3)
    with pytest.raises(UserError, match=r"data\.val_images is 2; the 2 pictures of trainval allow 1 to 1"):
        small(folder, val_images=2)
    with pytest.raises(ValueError, match="size is 8; 32 or more"):
        small(folder, size=8)
