"""Where ``_target_``s become objects: from allowed packages alone, each with what identifies it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from torch import nn
from torchvision.models import get_model_builder, list_models

from pruneexp.config.checks import check_target, plain, targets
from pruneexp.errors import UserError, cause
from pruneexp.experiment.sources import described
from pruneexp.experiment.spec import JobSpec
from pruneexp.stages.parts import Part

#: Packages with much that is no part of a network: there, what is named is looked at more closely.
LIBRARIES = ("torch.", "torchvision.")


def part(spec: JobSpec, path: str, node: Any) -> Part[Any]:
    """The object of a node at ``path``, and its identity; raises as ``instantiated`` does."""
    return Part(instantiated(path, node, spec.allowed), described(node, spec.runtime.allow))


def instantiated(path: str, node: Any, allowed: Sequence[str]) -> Any:
    """The object of a node, from the allowed packages alone.

    Raises:
        UserError: a target is not allowed, or cannot be made.
    """
    check_homes(path, node, allowed)
    # Every `torch.load` of this process, those of torchvision included, reads tensors and unpickles nothing else.
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        raise UserError(f"{path}: {cause(error)}") from error


def check_homes(path: str, node: Any, allowed: Sequence[str]) -> None:
    """Import the targets of a node, and refuse what only looks as if it came from an allowed package.

    Raises:
        UserError: a target cannot be imported, or comes from elsewhere.
    """
    for where, target in targets(plain(node), path):
        check_target(where, target, allowed)
        try:
            found = get_object(target)
        except Exception as error:
            raise UserError(f"{where}._target_={target} cannot be imported: {cause(error)}") from error
        home = f"{getattr(found, '__module__', '') or ''}.{getattr(found, '__name__', target.rpartition('.')[2])}"
        check_target(where, home, allowed)
        if home.startswith(LIBRARIES) and not _builds_a_network(found):
            raise UserError(
                f"{where}._target_={target} is not allowed: of torch and torchvision, networks and layers are"
            )


def _builds_a_network(found: Any) -> bool:
    """A class of networks or layers, or one of torchvision's functions that return a whole network."""
    if isinstance(found, type):
        return issubclass(found, nn.Module)
    return found in [get_model_builder(name) for name in list_models()]
