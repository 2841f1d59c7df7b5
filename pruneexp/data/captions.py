"""Captioned images in NeuralTalk's format: ``dataset.json`` with sentences, ``vgg_feats.mat`` with features of images.

A column of ``feats`` in the second file belongs to the image whose ``imgid`` is its number, from 0 on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import io
from torch import Tensor

from pruneexp.data import fetch
from pruneexp.data.dataset import Dataset
from pruneexp.data.scenes import write_scenes
from pruneexp.data.tensors import Pair, tensor_dataset
from pruneexp.errors import UserError

#: The splits of ``dataset.json``. COCO's validation images that are in neither val nor test are for training.
SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}
END, NONE = 0, -1
_FORMAT = "NeuralTalk's format is needed"

#: A sentence as its words.
Sentence = tuple[str, ...]


@dataclass(frozen=True)
class _Image:
    number: int
    split: str
    sentences: tuple[Sentence, ...]


def captions(root: str = "data/flickr8k", min_count: int = 5, features: int = 4096, name: str = "flickr8k") -> Dataset:
    """The images in the files of ``root``: their features as they are, and their sentences as numbers of words.

    Targets are those of ``tasks.captioning``. Word 0 ends a sentence. The others that can be learned occur at least
    ``min_count`` times in sentences of train; networks are taught sentences without the rest, as in NeuralTalk, and
    captions are compared with whole ones.

    Args:
        root: the folder with both files.
        min_count: how often a word occurs in train at least.
        features: how many numbers an image has.
        name: what records call the data set.

    Raises:
        UserError: a file is missing, damaged or of another format, or the two do not fit each other.
        ValueError: ``min_count`` or ``features`` is below 1.
    """
    for key, value in (("min_count", min_count), ("features", features)):
        if value < 1:
            raise ValueError(f"{key} is {value}; 1 or more is allowed")
    described, columns = Path(root).expanduser() / "dataset.json", Path(root).expanduser() / "vgg_feats.mat"
    images, found = _images(described), _features(columns, features)
    for image in images:
        if not 0 <= image.number < len(found):
            raise UserError(
                f"{described} has an image with the imgid {image.number}, and the {len(found)} columns of feats in "
                f"{columns} are those of 0 to {len(found) - 1}"
            )
    counts = Counter(word for image in images if image.split == "train" for each in image.sentences for word in each)
    known = sorted(word for word, count in counts.items() if count >= min_count)
    if not known:
        raise UserError(f"no word occurs {min_count} times in the train sentences of {described}: lower data.min_count")
    every = {word for image in images for each in image.sentences for word in each}
    numbers = {word: number for number, word in enumerate([*known, *sorted(every - {*known})], 1)}
    targets = _numbered([image.sentences for image in images], numbers, len(known))
    places = {split: [at for at, each in enumerate(images) if each.split == split] for split in SPLITS.values()}
    pairs = {split: _pair(found, targets, images, of) for split, of in places.items()}
    return tensor_dataset(name, **pairs, classes=len(known) + 1)


def caption_shapes(
    train: int = 400, val: int = 100, test: int = 200, features: int = 64, noise: float = 0.3, seed: int = 0
) -> Dataset:
    """Made-up scenes of shapes (``scenes``), written to files in a temporary folder and read as any others.

    Raises:
        ValueError: a split has no image, ``features`` is below 1, or ``noise`` or ``seed`` below 0.
    """
    with TemporaryDirectory() as folder:
        write_scenes(Path(folder), {"train": train, "val": val, "test": test}, features, noise, seed)
        return captions(folder, features=features, name="caption_shapes")


def _images(path: Path) -> list[_Image]:
    with fetch.reading(path, _FORMAT):
        content = json.loads(path.read_text("utf-8"))
        listed = content.get("images") if isinstance(content, dict) else None
        if not isinstance(listed, list):
            raise ValueError("no list of images")
        images = [_image(each, f"image {at} of the list") for at, each in enumerate(listed)]
        if twice := [number for number, count in Counter(each.number for each in images).items() if count > 1]:
            raise ValueError(f"two images have the imgid {twice[0]}")
        if lacking := {*SPLITS.values()} - {each.split for each in images}:
            raise ValueError(f"no image is in the split {', '.join(sorted(lacking))}")
    return images


def _image(described: Any, where: str) -> _Image:
    """One image of the file.

    Raises:
        ValueError: it lacks something.
    """
    needed = {"imgid": (int, "whole number"), "split": (str, "word"), "sentences": (list, "list")}
    for key, (kind, word) in needed.items():
        if not isinstance(described, Mapping) or not isinstance(described.get(key), kind):
            raise ValueError(f"{where} has no {key} that is a {word}")
    if described["split"] not in SPLITS:
        raise ValueError(f"{where} is in the split '{described['split']}', and allowed are {', '.join(SPLITS)}")
    sentences = tuple(_sentence(each, where) for each in described["sentences"])
    if not any(sentences):
        raise ValueError(f"{where} has no sentence with a word")
    return _Image(described["imgid"], SPLITS[described["split"]], tuple(each for each in sentences if each))


def _sentence(described: Any, where: str) -> Sentence:
    tokens = described.get("tokens") if isinstance(described, Mapping) else None
    if not isinstance(tokens, list) or not all(isinstance(each, str) for each in tokens):
        raise ValueError(f"{where} has a sentence without tokens that are words")
    return tuple(tokens)


def _features(path: Path, wanted: int) -> NDArray[np.float32]:
    """The features of all images, (N, wanted)."""
    with fetch.reading(path, _FORMAT):
        content = io.loadmat(str(path))  # of a path that is no string it does not say that the file is missing
        if "feats" not in content:
            raise ValueError("there is no variable feats")
        found = np.asarray(content["feats"])
        if found.ndim != 2 or found.dtype.kind not in "fiu" or not np.isfinite(found).all():
            raise ValueError("feats is no matrix of numbers")
    if len(found) != wanted:
        raise UserError(
            f"{path} has {len(found)} features of an image, and data.features is {wanted}: data.features="
            f"{len(found)} takes them"
        )
    return np.ascontiguousarray(found.T, np.float32)


def _numbered(images: Sequence[Sequence[Sentence]], numbers: Mapping[str, int], known: int) -> NDArray[np.int64]:
    """The sentences that are taught and those that captions are compared with, (N, 2, sentences, words + 1)."""
    most = max(map(len, images))
    longest = max(len(each) for sentences in images for each in sentences)
    found = np.full((len(images), 2, most, longest + 1), NONE)
    for image, sentences in enumerate(images):
        for place, sentence in enumerate(sentences):
            words = [numbers[word] for word in sentence]
            taught = [word for word in words if word <= known] + [END]
            found[image, 0, place, : len(taught)] = taught
            found[image, 1, place, : len(words)] = words
    return found


def _pair(
    features: NDArray[np.float32], targets: NDArray[np.int64], images: Sequence[_Image], places: Sequence[int]
) -> Pair:
    columns = [images[at].number for at in places]
    inputs: Tensor = torch.from_numpy(features[columns])
    return inputs, torch.from_numpy(targets[list(places)])
