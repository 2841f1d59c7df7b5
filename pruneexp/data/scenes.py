"""Made-up scenes of shapes, with features and sentences, as files in NeuralTalk's format; knows no data set.

Features are a random linear code of what a scene shows, with noise, as those of a network are of photographs. Each
scene has five sentences, put together by lot from words for the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import io

#: What is said of each of the two things of a scene, and of the first in relation to the second: words for the same.
SIZES = (("small", "little"), ("large", "big"))
COLOURS = (("red",), ("green",), ("blue",), ("yellow",))
SHAPES = (("disc", "circle"), ("square", "box"), ("triangle",), ("star",))
RELATIONS = (("left of",), ("right of",), ("above", "over"), ("below", "under"))
OPENINGS = ("", "there is", "we see", "a picture of")
_OF_A_THING = (SIZES, COLOURS, SHAPES)
_KINDS = (*_OF_A_THING, *_OF_A_THING, RELATIONS)
SENTENCES = 5


def write_scenes(folder: Path, splits: Mapping[str, int], features: int, noise: float, seed: int) -> None:
    """Write ``dataset.json`` and ``vgg_feats.mat`` with so many scenes of each split into ``folder``.

    ``noise`` is its deviation, where that of a feature without noise is about 1.

    Raises:
        ValueError: a split has no scene, ``features`` is below 1, or ``noise`` or ``seed`` below 0.
    """
    for name, value, least in (*((each, count, 1) for each, count in splits.items()), ("features", features, 1)):
        if value < least:
            raise ValueError(f"{name} is {value}; {least} or more is allowed")
    if noise < 0 or seed < 0:
        raise ValueError(f"noise is {noise} and seed {seed}; 0 or more is allowed")
    random = np.random.default_rng(seed)
    named = [split for split, count in splits.items() for _ in range(count)]
    chosen = np.stack([random.integers(len(kinds), size=len(named)) for kinds in _KINDS], 1)
    shown = np.concatenate([np.eye(len(kinds))[chosen[:, at]] for at, kinds in enumerate(_KINDS)], 1)
    code = random.normal(size=(shown.shape[1], features)) / np.sqrt(len(_KINDS))
    feats = shown @ code + noise * random.normal(size=(len(named), features))
    images = [_described(number, split, chosen[number], random) for number, split in enumerate(named)]
    (folder / "dataset.json").write_text(json.dumps({"dataset": "scenes", "images": images}), "utf-8")
    io.savemat(folder / "vgg_feats.mat", {"feats": feats.T.astype(np.float32)})


def _described(number: int, split: str, scene: NDArray[np.int64], random: np.random.Generator) -> dict[str, object]:
    texts = [_sentence(scene, random) for _ in range(SENTENCES)]
    first = number * SENTENCES
    sentences = [
        {"tokens": text.split(), "raw": f"{text} .", "imgid": number, "sentid": first + place}
        for place, text in enumerate(texts)
    ]
    ids = [sentence["sentid"] for sentence in sentences]
    return {"imgid": number, "filename": f"{number}.png", "split": split, "sentences": sentences, "sentids": ids}


def _sentence(scene: NDArray[np.int64], random: np.random.Generator) -> str:
    words = [_one(kinds[value], random) for kinds, value in zip(_KINDS, scene, strict=True)]
    parts = (_one(OPENINGS, random), "a", *words[:3], words[6], "a", *words[3:6])
    return " ".join(" ".join(parts).split())


def _one(of: Sequence[str], random: np.random.Generator) -> str:
    return of[int(random.integers(len(of)))]
