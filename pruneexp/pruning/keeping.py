"""Masks kept in anybody's training loop: hooks on the weights and on the optimizer, put there by one call.

What a mask does to gradients and weights stands in ``enforcement``; here is when, in a loop that is not ours. Knows no
training.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

from pruneexp.errors import UserError, cause, guess
from pruneexp.pruning.enforcement import Enforcement, assert_enforced
from pruneexp.pruning.layers import prunable
from pruneexp.pruning.masks import MaskSet

#: The file of masks in the folder of an export.
MASKS_FILE = "masks.safetensors"
#: What DistributedDataParallel, modules of Lightning and torch.compile put before the names of a network's weights.
_WRAPPERS = ("module.", "model.", "_orig_mod.")
_NAMED = 10


class MaskHandle:
    """Masks that are kept until ``remove``, or until the ``with`` block ends, which checks that they were.

    It holds the network and the optimizer; a copy or a pickle of either is without the masks' hooks.
    """

    def __init__(self, masks: MaskSet, network: nn.Module, optimizer: Optimizer) -> None:
        self.masks, self._network = masks, network
        enforcement = Enforcement(network, masks)
        self._hooks = [
            weight.register_post_accumulate_grad_hook(enforcement.mask_gradient)
            for weight in enforcement.cut
            if weight.requires_grad
        ]
        self._hooks.append(optimizer.register_step_post_hook(lambda *_: enforcement.mask_weights()))

    def remove(self) -> None:
        """Let the training change every weight again; the pruned ones are zero still."""
        for hook in self._hooks:
            hook.remove()

    def __enter__(self) -> MaskHandle:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.remove()
        if kind is None:
            assert_enforced(self._network, self.masks)


def keep(masks: Mapping[str, Tensor] | str | os.PathLike[str], network: nn.Module, optimizer: Optimizer) -> MaskHandle:
    """Set the pruned weights of ``network`` to zero, and keep them so after every step of ``optimizer``.

    Gradients are masked as soon as a backward pass has them, so that clipping sees the survivors alone, and weights
    after each ``optimizer.step``, so that neither weight decay nor momentum of a dense past moves a pruned one. Call it
    once network and optimizer are made, in any loop: a plain one, Lightning's, Hugging Face's; with closures and with
    ``GradScaler``. Masks of weights that are no number (a training that diverged) are not made zero.

    Args:
        masks: boolean tensor per weight, true where kept: a ``MaskSet``, a mapping by the name of the layer (``fc1``)
            or of the parameter (``fc1.weight``), or the path of an export, or of its ``masks.safetensors``.
        network: the module that is trained, or one around it.
        optimizer: what updates it; of a wrapper, the optimizer within.

    Raises:
        UserError: the masks cannot be read or do not fit the network, or the optimizer updates none of their weights.
        ValueError: a mask is not boolean.
    """
    found = _read(Path(masks)) if isinstance(masks, str | os.PathLike) else masks
    fitting = MaskSet({name: found[given] for given, name in _names(found, network).items()})
    inner = _unwrapped(optimizer)
    _check_updated(fitting, network, inner)
    fitting.apply_(network)
    return MaskHandle(fitting, network, inner)


def _read(path: Path) -> dict[str, Tensor]:
    file = path.expanduser()
    file = file / MASKS_FILE if file.is_dir() else file
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise UserError(f"the masks in {file} cannot be read: {cause(error)}") from error


def _names(masks: Mapping[str, Tensor], network: nn.Module) -> dict[str, str]:
    """The layer of ``network`` that each mask is for, by the mask's own name.

    Raises:
        UserError: there is no mask, or none such layer, or two masks are for one.
    """
    layers = prunable(network)
    exact = {name: name for name in layers} | {layer.parameter: name for name, layer in layers.items()}
    bare = {_bare(known): name for known, name in exact.items()}
    if not masks:
        raise UserError("there is no mask to keep: masks are boolean tensors by the names of weights")
    found: dict[str, str] = {}
    for given in masks:
        name = exact.get(given) or bare.get(_bare(given))
        if name is None:
            shown = ", ".join([*layers][:_NAMED]) + (", ..." if len(layers) > _NAMED else "")
            raise UserError(
                f"the masks name {given!r}, and {type(network).__name__} has no such weight"
                f"{guess(_bare(given), list(bare))}; it has {shown}"
            )
        if name in found.values():
            raise UserError(f"two masks are for the weight {name!r}: {given} is the second")
        found[given] = name
    return found


def _bare(name: str) -> str:
    """A name without what wrappers have put before it."""
    while name.startswith(_WRAPPERS):
        name = name.partition(".")[2]
    return name


def _unwrapped(optimizer: Optimizer) -> Optimizer:
    """The optimizer of torch's within the wrappers of Lightning and accelerate."""
    while isinstance(inner := getattr(optimizer, "optimizer", None), Optimizer):
        optimizer = inner
    return optimizer


def _check_updated(masks: MaskSet, network: nn.Module, optimizer: Optimizer) -> None:
    layers = prunable(network)
    updated = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not any(id(layers[name].weight) in updated for name in masks):
        raise UserError(
            f"this {type(optimizer).__name__} updates none of the weights that have masks: "
            "make the optimizer of the parameters of the same network"
        )
