"""Every image classifier of torchvision, by its name, with or without its ImageNet weights.

Layer names and initial weights stay torchvision's. Its AlexNet is the single-tower variant (Krizhevsky 2014): no groups
and no LRN, so its layers differ from Han et al. 2015, Table 4. Knows nothing of training or pruning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from pruneexp.errors import UserError, first_line
from pruneexp.models.classifier import replace_classifier
from pruneexp.models.names import unknown
from pruneexp.models.ranges import at_least
from pruneexp.models.scaled_resnet import scale_blocks_

IMAGENET_CLASSES = 1000

#: Networks with further classifiers for training; with ImageNet weights, these rescale their inputs by themselves.
_AUXILIARY = ("googlenet", "inception_v3")
#: Argument with the side of the images, of networks that are built for one.
_SIDE = {"vit_": "image_size", "maxvit_": "input_size"}


def alexnet(num_classes: int = 1000, pretrained: bool = False) -> nn.Module:
    """``named("alexnet")``: 61.1 M parameters, from (B, 3, 224, 224) to logits (B, num_classes)."""
    return named("alexnet", num_classes, pretrained)


def vgg16(num_classes: int = 1000, pretrained: bool = False) -> nn.Module:
    """``named("vgg16")``: 138.4 M parameters, no batch normalisation, from (B, 3, 224, 224) to logits."""
    return named("vgg16", num_classes, pretrained)


def named(
    name: str,
    num_classes: int = 1000,
    pretrained: bool = False,
    image_size: int | None = None,
    block_scales: bool = False,
) -> nn.Module:
    """The classifier that torchvision calls ``name``, from (B, 3, image_size, image_size) to (B, num_classes).

    ``image_size`` is by default the side of the crops that its ImageNet weights were made with: 224 px, of
    ``inception_v3`` 299. With ``pretrained`` and other than 1000 classes, the classifying layer is a fresh one. Further
    classifiers, which ``googlenet`` and ``inception_v3`` have for training alone, are left out. With ``block_scales`` a
    scale that is learned multiplies each residual block of a ResNet (``scaled_resnet``).

    Raises:
        ValueError: fewer than 2 classes, or no image size.
        UserError: there is no such network, none for this size, none with such blocks, or its weights could not be
            fetched or read.
    """
    at_least("num_classes", num_classes, 2)
    weights = _weights(name)
    usual = int(weights.transforms().crop_size[0])
    size = usual if image_size is None else image_size
    at_least("image_size", size, 1)
    arguments = _arguments(name, size) if size != usual else {}
    if pretrained:
        network = _pretrained(name, weights, arguments)
        if num_classes != IMAGENET_CLASSES:
            replace_classifier(network, IMAGENET_CLASSES, num_classes)
    else:
        fresh = {"init_weights": True} if name in _AUXILIARY else {}  # as by default, but without a warning
        try:
            network = models.get_model(name, num_classes=num_classes, **arguments, **fresh)
        except Exception as error:
            raise UserError(f"{name} cannot be built for image_size={size}: {first_line(error)}") from error
    if name in _AUXILIARY:
        _without_auxiliary(network)
    if block_scales:
        scale_blocks_(network, name)
    network.input_shape = (3, size, size)  # type: ignore[assignment]
    return network


def _weights(name: str) -> WeightsEnum:
    known = models.list_models(module=models)
    if name not in known:
        raise unknown(name, known, "image classifier of torchvision")
    return models.get_model_weights(name).DEFAULT


def _arguments(name: str, size: int) -> dict[str, Any]:
    """What tells the constructor of a network that is built for one side of images another one."""
    argument = next((each for prefix, each in _SIDE.items() if name.startswith(prefix)), None)
    return {} if argument is None else {argument: (size, size) if argument == "input_size" else size}


def _pretrained(name: str, weights: WeightsEnum, arguments: Mapping[str, Any]) -> nn.Module:
    try:
        _check_file(weights)
        network: nn.Module = models.get_model(name, weights=weights, **arguments)
    except (OSError, RuntimeError) as problem:  # no network, no space, a wrong checksum, a truncated file
        raise _out_of_reach(weights, problem) from problem
    except ValueError as problem:
        size = weights.transforms().crop_size[0]
        raise UserError(f"the pretrained weights of {name} are for model.image_size={size} alone") from problem
    return network


def _folder() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def _out_of_reach(weights: WeightsEnum, problem: Exception) -> UserError:
    return UserError(
        f"the pretrained weights could not be read ({problem}): put the file of {weights.url} "
        f"into {_folder()}, or use model.pretrained=false"
    )


def _check_file(weights: WeightsEnum) -> None:
    """Of a file that has been fetched already, the SHA-256 must begin with the digits that its name ends in.

    torchvision checks this only when it fetches a file, not for a file that exists already; the file is a pickle, and
    may come from anywhere.
    """
    file = _folder() / str(weights.url).rpartition("/")[2]
    if file.exists():
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        if not digest.startswith(file.stem.rpartition("-")[2]):
            raise UserError(f"{file} is not the file of {weights.url} (its SHA-256 begins {digest[:8]}): delete it")


def _without_auxiliary(network: nn.Module) -> None:
    """Leave out classifiers for training alone, and take inputs as pretrained weights do, so that all copies agree."""
    network.aux_logits = False  # type: ignore[assignment]
    for classifier in ("aux1", "aux2", "AuxLogits"):
        if hasattr(network, classifier):
            setattr(network, classifier, None)
    network.transform_input = True  # type: ignore[assignment]
