"""A network from its node of the configuration, and whether its tensors can be stored, cut and counted.

What it computes is tried in ``rehearsal``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from pruneexp.cache.tensors import STORABLE
from pruneexp.errors import UserError, cause
from pruneexp.experiment.start import fitted, read_weights
from pruneexp.models.adapt import input_shape_of
from pruneexp.pruning.layers import computed
from pruneexp.stages.setting import Weights
from pruneexp.tracing.mode import evaluating
from pruneexp.training.seeding import stream


@dataclass(frozen=True)
class NetworkFactory:
    """Builds the network of a ``node`` by ``make``, in training mode on ``device``, any number of times.

    Lazy layers take their sizes from inputs of ``shape`` and ``dtype``. ``start_from`` is a file of initial weights, if
    any; parameters that ``start_from_except`` names keep those that they are made with.
    """

    make: Callable[[str, Any], Any]
    node: Mapping[str, Any]
    seed: int
    device: torch.device
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32
    start_from: str | None = None
    start_from_except: tuple[str, ...] = ()

    def __call__(self, start: Weights) -> nn.Module:
        """The network with its ``initial`` weights, or with ``fresh`` random ones.

        Raises:
            UserError: it cannot be made, or its tensors are of a kind that nothing can be done with.
        """
        node = dict(self.node)
        if start == "fresh" and "pretrained" in node:
            node["pretrained"] = False
        with stream(self.seed, "init" if start == "initial" else "fresh init", device=self.device):
            network = self.make("model", node)
            if not isinstance(network, nn.Module):
                what = type(network).__name__
                raise UserError(f"model._target_={node['_target_']} returned a {what}, not a torch.nn.Module")
            materialise(network, input_shape_of(network, self.shape), self.dtype)
        check_tensors(network)
        _make_dense(network)
        if start == "initial":
            self.start(network)
        return network.to(self.device).train()

    def start(self, network: nn.Module) -> None:
        """Load the file of initial weights, if there is one, into a network that has been made.

        Raises:
            UserError: it does not fit the network.
        """
        if self.start_from:
            given = read_weights(self.start_from)
            network.load_state_dict(fitted(network.state_dict(), given, self.start_from, self.start_from_except))


def materialise(network: nn.Module, input_shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
    """Have lazy layers (``nn.LazyLinear``) take their shapes from a batch of two zeros, and draw their weights.

    They draw from the global generators, where the others drew before. A network without lazy layers does not run.

    Raises:
        UserError: the network does not take such inputs, or does not call all of its lazy layers.
    """
    if not _lazy(network):
        return
    try:
        with evaluating(network), torch.no_grad():
            network(torch.zeros(2, *input_shape, dtype=dtype))
    except Exception as error:
        raise UserError(f"the model does not take inputs of shape {input_shape}: {cause(error)}") from error
    if left := _lazy(network):
        raise UserError(
            f"{', '.join(left)} of the model are lazy and take no shape, because nothing calls them: "
            "give their sizes in the code, or leave them out"
        )


def check_tensors(network: nn.Module) -> None:
    """Refuse what cannot be stored or cut, or what would be cut twice.

    Raises:
        UserError: names the tensors, and the way out.
    """
    _check_storable(network.state_dict())
    if names := computed(network):
        raise UserError(
            f"the weights of {', '.join(names)} are computed anew whenever they are read (weight_norm, spectral_norm, "
            "orthogonal, parametrize, torch.nn.utils.prune), so a cut would not last: remove that from the network, "
            "as torch.nn.utils.parametrize.remove_parametrizations does"
        )
    for name, parameter in network.named_parameters():
        if any(size > 1 and not stride for size, stride in zip(parameter.shape, parameter.stride(), strict=True)):
            raise UserError(f"{name} of the model is one number at several places (expand()): clone() it")
    for one, other in _overlapping(network):
        raise UserError(
            f"{one} and {other} of the model share memory but are not one parameter (a view, such as w.t()), so "
            f"neither could be cut without the other: use the very same nn.Parameter in both layers, compute with "
            f"torch.nn.functional from one of them, or clone() the values"
        )


def _make_dense(network: nn.Module) -> None:
    """Give parameters that are slices with gaps a memory of their own, for optimizers run through it without a stop."""
    for parameter in network.parameters():
        if torch.empty_like(parameter).stride() != parameter.stride():
            parameter.data = parameter.data.clone()


def _lazy(network: nn.Module) -> list[str]:
    return [name for name, tensor in chain(network.named_parameters(), network.named_buffers()) if is_lazy(tensor)]


def _check_storable(state: dict[str, object]) -> None:
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise UserError(
                f"{name} in the state of the model is a {type(value).__name__}, and only tensors can be stored: have "
                "get_extra_state return a tensor, or leave it out"
            )
        if value.dtype not in STORABLE or value.layout is not torch.strided or value.is_meta:
            allowed = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in STORABLE))
            what = f"{value.dtype}, {value.layout}, {value.device}"
            raise UserError(f"{name} of the model is a tensor that cannot be stored ({what}): allowed are {allowed}")


def _overlapping(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of a parameter and another tensor that lie in each other's memory without being the same object."""
    storages: dict[int, list[tuple[str, Tensor]]] = {}
    for name, tensor in chain(network.named_parameters(), network.named_buffers()):
        if tensor.numel() and tensor.layout is torch.strided:
            storages.setdefault(tensor.untyped_storage().data_ptr(), []).append((name, tensor))
    for sharing in storages.values():
        for (one, first), (other, second) in combinations(sharing, 2):
            (begin, end), (start, last) = _span(first), _span(second)
            if isinstance(first, nn.Parameter) and max(begin, start) < min(end, last):
                yield one, other


def _span(tensor: Tensor) -> tuple[int, int]:
    """The first byte of a tensor in its storage, and the one after its last."""
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    first = int(tensor.storage_offset())
    return first * tensor.element_size(), (first + reach + 1) * tensor.element_size()
