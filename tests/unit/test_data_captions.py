"""Captions in NeuralTalk's format: files by hand, files that do not fit, and made-up scenes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import io
from torch import Tensor

from pruneexp.data.captions import caption_shapes, captions
from pruneexp.data.dataset import Dataset
from pruneexp.data.scenes import write_scenes
from pruneexp.errors import UserError
from pruneexp.tasks.captioning import Captioning

Content = dict[str, Any]

#: Number, split and sentences of each image. Taught are the words a, dog and runs, numbered so.
IMAGES: list[tuple[int, str, list[str]]] = [
    (2, "train", ["a dog runs", "a brown dog"]),
    (0, "restval", ["dog runs"]),
    (3, "val", ["a cat runs", "cat", "a"]),
    (1, "test", ["brown"]),
]


def content(images: Sequence[tuple[int, str, list[str]]] = IMAGES) -> Content:
    described = [
        {"imgid": number, "split": split, "sentences": [{"tokens": each.split(), "raw": each} for each in sentences]}
        for number, split, sentences in images
    ]
    return {"dataset": "some", "images": described}


def write(folder: Path, described: object = None, feats: NDArray[Any] | None = None) -> Path:
    """Two features of an image: its number, and the hundredfold."""
    text = described if isinstance(described, str) else json.dumps(described or content())
    (folder / "dataset.json").write_text(text)
    found = np.arange(4.0) * [[1], [100]] if feats is None else feats
    io.savemat(folder / "vgg_feats.mat", {"feats": found})
    return folder


def small(folder: Path, **arguments: Any) -> Dataset:
    return captions(str(folder), **{"min_count": 2, "features": 2, **arguments})


def of(data: Dataset, split: str) -> tuple[Tensor, Tensor]:
    source = getattr(data, split)
    found: tuple[Tensor, Tensor] = next(iter(source.batches(len(source), torch.device("cpu"))))
    return found


def test_columns_belong_to_the_numbers_of_images_and_rare_words_are_left_out(tmp_path: Path) -> None:
    """Numbers 1 to 3 are a, dog and runs; brown and cat, which are not learned, are 4 and 5."""
    data = small(write(tmp_path))
    Captioning().check(data)
    assert (data.name, data.classes, data.shape) == ("flickr8k", 4, (2,))
    features, targets = of(data, "train")
    assert features.tolist() == [[2, 200], [0, 0]]
    none = [-1] * 4
    assert targets.tolist() == [
        [[[1, 2, 3, 0], [1, 2, 0, -1], none], [[1, 2, 3, -1], [1, 4, 2, -1], none]],
        [[[2, 3, 0, -1], none, none], [[2, 3, -1, -1], none, none]],
    ]
    assert of(data, "val")[1][0].tolist() == [
        [[1, 3, 0, -1], [0, -1, -1, -1], [1, 0, -1, -1]], [[1, 5, 3, -1], [5, -1, -1, -1], [1, -1, -1, -1]],
    ]  # fmt: skip
    assert of(data, "test")[0].tolist() == [[1, 100]]


def test_every_word_and_every_feature_changes_the_fingerprint(tmp_path: Path) -> None:
    prints = [small(write(tmp_path)).fingerprint, small(write(tmp_path)).fingerprint]
    prints.append(small(write(tmp_path, content([*IMAGES[:-1], (1, "test", ["cat"])]))).fingerprint)
    prints.append(small(write(tmp_path, feats=np.ones((2, 4)))).fingerprint)
    prints.append(small(write(tmp_path), min_count=1).fingerprint)
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4


def changed(change: Callable[[list[Content]], object]) -> Content:
    found = content()
    change(found["images"])
    return found


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ("{", "dataset.json is damaged or of another format"),
        ([], "no list of images"),
        (changed(lambda images: images[1].pop("imgid")), "image 1 of the list has no imgid that is a whole number"),
        (changed(lambda images: images[1].update(split="dev")), "in the split 'dev', and allowed are train, restval"),
        (changed(lambda images: images[2].update(sentences=[{}])), "image 2 .* a sentence without tokens"),
        (changed(lambda images: images[2].update(sentences=[])), "image 2 .* no sentence with a word"),
        (changed(lambda images: images[1].update(imgid=2)), "two images have the imgid 2"),
        (changed(lambda images: images.pop(2)), "no image is in the split val"),
        (changed(lambda images: images[3].update(imgid=4)), "imgid 4, and the 4 columns of feats .* of 0 to 3"),
    ],
)
def test_sentences_that_do_not_fit_are_refused(tmp_path: Path, described: object, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        small(write(tmp_path, described if described != [] else "[]"))
    assert "dataset.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"no matrix", "is damaged or of another format"),
        ({"other": np.ones((2, 4))}, "there is no variable feats"),
        ({"feats": np.full((2, 4), np.nan)}, "feats is no matrix of numbers"),
        ({"feats": np.ones((3, 4))}, "has 3 features of an image, and data.features is 2: data.features=3 takes them"),
    ],
)
def test_features_that_do_not_fit_are_refused(tmp_path: Path, content: object, said: str) -> None:
    path = write(tmp_path) / "vgg_feats.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        io.savemat(path, content)
    else:
        path.unlink()
    with pytest.raises(UserError, match=said) as caught:
        small(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_threshold_that_leaves_no_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no word occurs 9 times .* lower data\.min_count"):
        small(write(tmp_path), min_count=9)
    with pytest.raises(ValueError, match="min_count is 0"):
        small(tmp_path, min_count=0)


def test_scenes_are_told_by_their_features(tmp_path: Path) -> None:
    """Without noise, scenes with the same features are described by the same things, in other words at most."""
    write_scenes(tmp_path, {"train": 300, "val": 1, "test": 1}, features=8, noise=0.0, seed=0)
    described = json.loads((tmp_path / "dataset.json").read_text())
    feats = io.loadmat(tmp_path / "vgg_feats.mat")["feats"]
    assert feats.shape == (8, 302)
    colours: dict[bytes, set[tuple[str, ...]]] = {}
    for image in described["images"]:
        assert len(image["sentences"]) == 5
        for sentence in image["sentences"]:
            said = tuple(word for word in sentence["tokens"] if word in ("red", "green", "blue", "yellow"))
            assert len(said) == 2
            colours.setdefault(feats[:, image["imgid"]].tobytes(), set()).add(said)
    assert all(len(said) == 1 for said in colours.values())


def test_a_seed_decides_the_scenes() -> None:
    one, again, other = (caption_shapes(60, 2, 2, features=4, seed=seed) for seed in (1, 1, 2))
    assert (len(one.train), len(one.val), len(one.test), one.shape) == (60, 2, 2, (4,))
    assert one.fingerprint == again.fingerprint != other.fingerprint
    for argument, said in (({"val": 0}, "val is 0"), ({"noise": -1.0}, "noise is -1.0")):
        with pytest.raises(ValueError, match=said):
            caption_shapes(**argument)
