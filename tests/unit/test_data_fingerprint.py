"""The identity of data: it changes with anything that can change a batch, and with nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from pruneexp.data.augment import CropAndFlip
from pruneexp.data.fingerprint import fingerprint
from pruneexp.data.labelled import Labelled, Splits, resident_dataset
from pruneexp.data.normalisation import Normalisation

GREY = Normalisation((0.5,), (0.25,))


def splits() -> Splits:
    images = torch.arange(12 * 16, dtype=torch.uint8).view(12, 1, 4, 4)
    pool = Labelled(images, torch.arange(12) % 2)
    return Splits(*(pool.take(torch.arange(start, start + 4)) for start in (0, 4, 8)))


def test_digest_by_hand() -> None:
    written = b'{"name": "x"}\n["a", "|u1", [2]]\n\x01\x02'
    assert fingerprint({"name": "x"}, {"a": np.array([1, 2], np.uint8)}) == hashlib.sha256(written).hexdigest()


def test_byte_order_of_the_machine_does_not_matter() -> None:
    digests = {fingerprint({}, {"a": np.array([1, 256], dtype)}) for dtype in ("<i8", ">i8")}
    assert len(digests) == 1


def test_anything_that_can_change_a_batch_changes_the_fingerprint() -> None:
    plain, moved, pixel, label, swapped = (splits() for _ in range(5))
    moved = Splits(plain.train, plain.test, plain.val)
    pixel.train.images[0, 0, 0, 0] += 1
    label.test.labels[0] = 1
    reordered = torch.tensor([2, 1, 0, 3])
    swapped = Splits(plain.train.take(reordered), plain.val, plain.test)
    digests = [resident_dataset("a", 2, parts, GREY).fingerprint for parts in (plain, moved, pixel, label, swapped)]
    digests.append(resident_dataset("a", 3, plain, GREY).fingerprint)
    digests.append(resident_dataset("a", 2, plain, Normalisation((0.5,), (0.5,))).fingerprint)
    digests.append(resident_dataset("a", 2, plain, GREY, CropAndFlip(1, GREY.black)).fingerprint)
    digests.append(resident_dataset("a", 2, plain, GREY, CropAndFlip(2, GREY.black)).fingerprint)
    assert len(set(digests)) == len(digests)
    assert resident_dataset("a", 2, splits(), GREY).fingerprint == digests[0]
