"""Every network of the library timm, by its name, with or without pretrained weights; timm is an extra.

Layer names and initial weights stay timm's. Knows nothing of training or pruning.
"""

from __future__ import annotations

from http.client import HTTPException
from types import ModuleType
from typing import Any
from urllib.request import Request, urlopen

from torch import nn

from pruneexp.errors import UserError, first_line
from pruneexp.models.names import unknown
from pruneexp.models.ranges import at_least

#: Files in which a repository of weights may keep them, in the order in which timm looks.
_FILES = ("model.safetensors", "pytorch_model.bin")
_PATIENCE = 10.0  # s, for a server's first word


def named(name: str, num_classes: int = 1000, pretrained: bool = False, image_size: int | None = None) -> nn.Module:
    """The network that timm calls ``name``, from (B, 3, image_size, image_size) to logits (B, num_classes).

    ``name`` may end with the tag of pretrained weights, as in ``resnet18.a1_in1k``. ``image_size`` is by default that
    of these weights. With ``pretrained`` and other than their classes, the classifying layer is a fresh one.

    Raises:
        ValueError: fewer than 2 classes, or no image size.
        UserError: timm is not installed, there is no such network, none for this size, or its weights could not be
            fetched or read.
    """
    at_least("num_classes", num_classes, 2)
    settings = _settings(name)
    channels, usual, _ = settings.input_size
    size = usual if image_size is None else image_size
    at_least("image_size", size, 1)
    # What is built for one size is told another; the rest take images of any.
    arguments = {"img_size": size} if size != usual and settings.fixed_input_size else {}
    if pretrained:
        _check_reachable(name, settings)
    try:
        network: nn.Module = _timm().create_model(name, pretrained=pretrained, num_classes=num_classes, **arguments)
    except Exception as problem:
        if pretrained:
            raise _out_of_reach(name, settings, problem) from problem
        raise UserError(f"{name} cannot be built for image_size={size}: {first_line(problem)}") from problem
    network.input_shape = (channels, size, size)  # type: ignore[assignment]
    return network


def _timm() -> ModuleType:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise UserError("model=timm needs the library timm, which is missing: pip install -e '.[hub]'") from error
    library: ModuleType = timm
    return library


def _settings(name: str) -> Any:
    """What timm says of the network and its weights: size of the images, where the file lies."""
    timm = _timm()
    if not timm.is_model(name.partition(".")[0]):
        raise unknown(name, timm.list_models(), "network of timm")
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError as error:  # there is no such tag
        tags = list(timm.list_pretrained(f"{name.partition('.')[0]}.*"))
        raise unknown(name, tags, "network of timm") from error


def _check_reachable(name: str, settings: Any) -> None:
    """Refuse pretrained weights that cannot be had at once, where the library would try again and again."""
    if not settings.has_weights:
        raise UserError(f"timm has no pretrained weights for {name}: use model.pretrained=false")
    url = settings.url if settings.hf_hub_id is None else f"https://huggingface.co/{settings.hf_hub_id}"
    try:
        if settings.hf_hub_id is None or not _is_there(settings):
            with urlopen(Request(url, method="HEAD"), timeout=_PATIENCE):
                pass
    except (OSError, HTTPException) as problem:
        raise _out_of_reach(name, settings, problem) from problem


def _is_there(settings: Any) -> bool:
    from huggingface_hub import try_to_load_from_cache

    files = (settings.hf_hub_filename,) if settings.hf_hub_filename else _FILES
    return any(isinstance(try_to_load_from_cache(settings.hf_hub_id, file), str) for file in files)


def _out_of_reach(name: str, settings: Any, problem: Exception) -> UserError:
    if settings.hf_hub_id is None:
        return UserError(f"the pretrained weights of {name} could not be read ({first_line(problem)}): {settings.url}")
    from huggingface_hub import constants

    return UserError(
        f"the pretrained weights of {name} could not be read ({first_line(problem)}): "
        f"'hf download {settings.hf_hub_id}' puts them into {constants.HF_HUB_CACHE}, a folder that may be copied from "
        "another machine; or use model.pretrained=false"
    )
