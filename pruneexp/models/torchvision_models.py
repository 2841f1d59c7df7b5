"""torchvision's own AlexNet and VGG-16, with or without its ImageNet weights; layer names stay torchvision's.

Its AlexNet is the single-tower variant (Krizhevsky 2014): no groups and no LRN, so its layers differ from Han et al.
2015, Table 4. Initial weights are torchvision's. Knows nothing of training or pruning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
import torchvision
from torch import nn
from torchvision.models import AlexNet_Weights, VGG16_Weights, WeightsEnum

from pruneexp.errors import UserError
from pruneexp.models.ranges import at_least

IMAGENET_CLASSES = 1000
INPUT_SHAPE = (3, 224, 224)


def alexnet(num_classes: int = 1000, pretrained: bool = False) -> nn.Module:
    """``torchvision.models.alexnet`` (61.1 M parameters), from (B, 3, 224, 224) to logits (B, num_classes).

    With ``pretrained`` and other than 1000 classes, the last linear layer is a fresh one.

    Raises:
        ValueError: fewer than 2 classes.
        UserError: the pretrained weights could not be fetched or read.
    """
    return _build(torchvision.models.alexnet, AlexNet_Weights.IMAGENET1K_V1 if pretrained else None, num_classes)


def vgg16(num_classes: int = 1000, pretrained: bool = False) -> nn.Module:
    """``torchvision.models.vgg16`` (138.4 M parameters, no batch normalisation), from (B, 3, 224, 224) to logits.

    With ``pretrained`` and other than 1000 classes, the last linear layer is a fresh one.

    Raises:
        ValueError: fewer than 2 classes.
        UserError: the pretrained weights could not be fetched or read.
    """
    return _build(torchvision.models.vgg16, VGG16_Weights.IMAGENET1K_V1 if pretrained else None, num_classes)


def _build(constructor: Callable[..., nn.Module], weights: WeightsEnum | None, num_classes: int) -> nn.Module:
    at_least("num_classes", num_classes, 2)
    if weights is None:
        network = constructor(num_classes=num_classes)
    else:
        network = _pretrained(constructor, weights)
        if num_classes != IMAGENET_CLASSES:
            _replace_last_linear(network, num_classes)
    network.input_shape = INPUT_SHAPE  # type: ignore[assignment]
    return network


def _pretrained(constructor: Callable[..., nn.Module], weights: WeightsEnum) -> nn.Module:
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        _check_file(folder, weights)
        return constructor(weights=weights)
    except (OSError, RuntimeError) as problem:  # no network, no space, a wrong checksum, a truncated file
        raise UserError(
            f"the pretrained weights could not be read ({problem}): put the file of {weights.url} "
            f"into {folder}, or use model.pretrained=false"
        ) from problem


def _check_file(folder: Path, weights: WeightsEnum) -> None:
    """Check that the SHA-256 of a file begins with the digits in which its name ends.

    torchvision checks this only when it fetches a file, not for a file that exists already; the file is a pickle, and
    may come from anywhere.
    """
    file = folder / str(weights.url).rpartition("/")[2]
    if not file.exists():
        return
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if not digest.startswith(file.stem.rpartition("-")[2]):
        raise UserError(f"{file} is not the file of {weights.url} (its SHA-256 begins {digest[:8]}): delete it")


def _replace_last_linear(network: nn.Module, num_classes: int) -> None:
    classifier = cast(nn.Sequential, network.classifier)
    last = cast(nn.Linear, classifier[-1])
    classifier[-1] = nn.Linear(last.in_features, num_classes)
