"""The classifying layer of a network: found by its number of classes, and made anew for another number."""

from __future__ import annotations

from torch import nn

from pruneexp.errors import UserError


def replace_classifier(network: nn.Module, classes: int, wanted: int) -> None:
    """Put a fresh layer for ``wanted`` classes in the place of the last one that gives ``classes`` outputs.

    It is a linear layer or, as in SqueezeNet, a convolution of one pixel; torch draws its weights.

    Raises:
        UserError: the network has no such layer.
    """
    found = [(name, module) for name, module in network.named_modules() if _outputs(module) == classes]
    if not found:
        raise UserError(f"{type(network).__name__} has no layer with {classes} outputs that could be made anew")
    name, last = found[-1]
    parent, _, attribute = name.rpartition(".")
    if isinstance(last, nn.Conv2d):
        fresh: nn.Module = nn.Conv2d(last.in_channels, wanted, kernel_size=1, bias=last.bias is not None)
    else:
        assert isinstance(last, nn.Linear)
        fresh = nn.Linear(last.in_features, wanted, bias=last.bias is not None)
    setattr(network.get_submodule(parent), attribute, fresh)


def _outputs(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    return module.out_channels if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) else None
