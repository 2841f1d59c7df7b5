"""The prunable layers of a network and their names.

The whole project calls a layer by its module name (``"fc1"``, ``"features.0"``). It prunes no biases and no
normalisation.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from torch import Tensor, nn

from pruneexp.errors import UserError

Kind = Literal["conv", "linear"]

KINDS: tuple[Kind, ...] = ("conv", "linear")


def kind_of(module: nn.Module) -> Kind:
    """The kind of a prunable layer.

    Raises:
        ValueError: the module is neither a convolution nor linear.
    """
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return "conv"
    if isinstance(module, nn.Linear):
        return "linear"
    raise ValueError(f"a {type(module).__name__} is not prunable; prunable are Conv1d, Conv2d, Conv3d and Linear")


def prunable(network: nn.Module, kinds: Collection[str] = KINDS) -> dict[str, nn.Module]:
    """Name -> module of every prunable layer of these kinds, in registration order.

    A weight shared by several modules is listed once, under the first of them; a layer without any weight is not.

    Raises:
        UserError: a kind is unknown, or the network has no such layer.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise UserError(f"Unknown kind of layer {', '.join(map(repr, unknown))}; kinds are {', '.join(KINDS)}.")
    found: dict[str, nn.Module] = {}
    seen: set[int] = set()
    for name, module in network.named_modules():
        if _is_prunable(module) and kind_of(module) in kinds and id(module.weight) not in seen:
            seen.add(id(module.weight))
            found[name] = module
    if not found:
        raise UserError(
            f"{type(network).__name__} has no prunable layer of kind {' or '.join(kinds) or '(none given)'}; "
            "prunable are Conv1d, Conv2d, Conv3d (conv) and Linear (linear)."
        )
    return found


def computed(network: nn.Module) -> list[str]:
    """Names of the convolutions and linear layers whose weight is no tensor that the network keeps.

    Weight norm, parametrizations and ``torch.nn.utils.prune`` compute a weight at each access or in each pass, so
    anything written to it is lost.
    """
    kept = {id(tensor) for tensor in network.state_dict(keep_vars=True).values()}
    return [name for name, module in network.named_modules() if _is_prunable(module) and id(module.weight) not in kept]


def weights(network: nn.Module, kinds: Collection[str] = KINDS) -> dict[str, Tensor]:
    """The weight parameters themselves (not copies) of ``prunable(network, kinds)``, keyed by module name."""
    return {name: weight_of(module) for name, module in prunable(network, kinds).items()}


def weight_of(module: nn.Module) -> Tensor:
    """The weight of a prunable layer: (out, in / groups, *kernel) of a convolution, (out, in) of a linear layer."""
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def _is_prunable(module: nn.Module) -> bool:
    """A convolution or linear layer, unless it holds no weight, as ``nn.Linear(0, 3)`` does."""
    if not isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
        return False
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.numel() > 0
