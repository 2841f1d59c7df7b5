"""The prunable weights of a network and their names; knows nothing of masks.

The whole project calls a matrix of weights a layer, by the name of the module whose ``weight`` it is (``"fc1"``,
``"features.0"``), or else by its own (``"attention.in_proj_weight"``, ``"rows.weight_hh_l0"``). Biases and the weights
of normalisations are never pruned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.rnn import RNNBase, RNNCellBase
from torch.nn.utils.parametrize import is_parametrized

from pruneexp.errors import UserError

Kind = Literal["conv", "linear", "recurrent", "embedding", "other"]

KINDS: tuple[Kind, ...] = ("conv", "linear", "recurrent", "embedding", "other")

_NORMALISATIONS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True, eq=False)
class PrunableLayer:
    """One prunable weight: the ``parameter`` of this dotted name.

    ``module`` says that it is the ``weight`` of a convolution or linear layer; ``transposed`` are the groups of a
    transposed convolution, whose units stand in the second dimension, and 0 for any other weight.
    """

    kind: Kind
    parameter: str
    weight: nn.Parameter
    module: bool
    transposed: int = 0

    def rows(self, tensor: Tensor) -> Tensor:
        """A tensor in the shape of the weight as (units, weights of each).

        A unit is an output feature or channel, a row of an embedding, or a gate of a recurrent unit.
        """
        if self.transposed:
            tensor = tensor.unflatten(0, (self.transposed, -1)).transpose(1, 2).flatten(0, 1)
        return tensor.flatten(1)


def prunable(
    network: nn.Module, kinds: Collection[str] = KINDS, exclude: Collection[str] = ()
) -> dict[str, PrunableLayer]:
    """Name -> weight of every layer of these kinds whose name matches no pattern of ``exclude``, as registered.

    Prunable are the weights of convolutions and linear layers, and every other parameter of two or more dimensions
    above 1. One that several modules share is listed once, under the first of them; one without any number is not.

    Raises:
        UserError: a kind is unknown, a pattern matches nothing, or the network has no such layer.
    """
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise UserError(f"Unknown kind of layer {', '.join(map(repr, unknown))}; kinds are {', '.join(KINDS)}.")
    everything = _all(network)
    for pattern in exclude:
        if not any(fnmatchcase(name, pattern) for name in everything):
            raise UserError(
                f"criterion.exclude: {pattern} matches no layer; layers are {', '.join(everything) or '(none)'}."
            )
    found = {
        name: layer
        for name, layer in everything.items()
        if layer.kind in kinds and not any(fnmatchcase(name, pattern) for pattern in exclude)
    }
    if not found:
        left = " that criterion.exclude leaves" if exclude else ""
        raise UserError(
            f"{type(network).__name__} has no prunable layer of kind {' or '.join(kinds) or '(none given)'}{left}; "
            "prunable are convolutions (conv), linear layers (linear), recurrent weights (recurrent), embeddings "
            "(embedding), and other parameters of two or more dimensions (other)."
        )
    return found


def weights(network: nn.Module, kinds: Collection[str] = KINDS, exclude: Collection[str] = ()) -> dict[str, Tensor]:
    """The parameters themselves (not copies) of ``prunable(network, kinds, exclude)``."""
    return {name: layer.weight for name, layer in prunable(network, kinds, exclude).items()}


def callers(network: nn.Module, layers: Mapping[str, PrunableLayer]) -> Iterator[tuple[str, nn.Module]]:
    """The convolutions and linear layers that use the weight of one of these layers, several where they share it.

    Each comes with the name of the layer.
    """
    names = {id(layer.weight): name for name, layer in layers.items()}
    for module in network.modules():
        if isinstance(module, _ConvNd | nn.Linear) and (name := names.get(id(module.weight))) is not None:
            yield name, module


def channel_scales(network: nn.Module) -> dict[str, nn.Parameter]:
    """The scales of batch normalisation (gamma), one number per channel, by their names as parameters."""
    found = {name: each for name, each in network.named_modules() if isinstance(each, _BatchNorm) and each.affine}
    return {f"{name}.weight".lstrip("."): each.weight for name, each in found.items()}


def block_scales(network: nn.Module) -> dict[str, nn.Parameter]:
    """The scales of residual blocks, by the blocks' names.

    A block is a module within the network that has modules of its own, and a parameter ``scale`` of one number.
    """
    blocks = [(name, each) for name, each in network.named_modules() if name and any(True for _ in each.children())]
    found = {name: dict(each.named_parameters(recurse=False)).get("scale") for name, each in blocks}
    return {name: scale for name, scale in found.items() if scale is not None and scale.numel() == 1}


def computed(network: nn.Module) -> list[str]:
    """Names of the layers whose weight is no tensor that the network keeps.

    Weight norm, parametrizations and ``torch.nn.utils.prune`` compute a weight at each access or in each pass, so
    anything written to it is lost.
    """
    kept = {id(tensor) for tensor in network.state_dict(keep_vars=True).values()}
    found = []
    for name, module in network.named_modules():
        for own in _computed_names(module):
            weight = getattr(module, own, None)
            if isinstance(weight, Tensor) and id(weight) not in kept and _is_layer(module, own, weight):
                found.append(_name(name, own))
    return found


def _all(network: nn.Module) -> dict[str, PrunableLayer]:
    """Every prunable layer, in the order of registration."""
    found: dict[str, PrunableLayer] = {}
    seen: set[int] = set()
    for name, module in network.named_modules():
        for own, weight in module.named_parameters(recurse=False):
            if id(weight) in seen or not _is_layer(module, own, weight):
                continue
            seen.add(id(weight))
            found[_name(name, own)] = PrunableLayer(
                kind=_kind(module, own),
                parameter=f"{name}.{own}" if name else own,
                weight=weight,
                module=_of_module(module, own) and not isinstance(module, _ConvTransposeNd),
                transposed=module.groups if isinstance(module, _ConvTransposeNd) and own == "weight" else 0,
            )
    return found


def _name(module: str, parameter: str) -> str:
    if parameter == "weight" and module:
        return module
    return f"{module}.{parameter}" if module else parameter


def _of_module(module: nn.Module, parameter: str) -> bool:
    return isinstance(module, _ConvNd | nn.Linear) and parameter == "weight"


def _is_layer(module: nn.Module, name: str, weight: Tensor) -> bool:
    if _of_module(module, name):
        return weight.numel() > 0
    return not isinstance(module, _NORMALISATIONS) and weight.is_floating_point() and _is_matrix(weight)


def _is_matrix(tensor: Tensor) -> bool:
    return tensor.numel() > 0 and sum(size > 1 for size in tensor.shape) > 1


def _kind(module: nn.Module, parameter: str) -> Kind:
    if isinstance(module, _ConvNd) and parameter == "weight":
        return "conv"
    if _of_module(module, parameter) or isinstance(module, nn.MultiheadAttention):
        return "linear"
    if isinstance(module, RNNBase | RNNCellBase):
        return "recurrent"
    return "embedding" if isinstance(module, nn.Embedding | nn.EmbeddingBag) else "other"


def _computed_names(module: nn.Module) -> Iterator[str]:
    """Attributes that may be computed: those that must be parameters, and those that parametrizations stand for."""
    names = {"weight"} if isinstance(module, _ConvNd | nn.Linear) else set()
    if is_parametrized(module):
        parametrized = module.parametrizations
        assert isinstance(parametrized, nn.ModuleDict)
        names |= set(parametrized)
    own = [name for name, _ in module.named_parameters(recurse=False)]
    names |= {name.rpartition("_")[0] for name in own if name.endswith(("_v", "_orig"))}
    yield from sorted(names)
