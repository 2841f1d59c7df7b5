"""A network made anew at the sizes that an architecture leaves, so that its own initialisation draws for those.

The constructor of a network chooses its layers' sizes, and most draw weights there by fan-in or fan-out. So it runs
with torch's layers made smaller, by the order in which it makes them. Knows no masks' origin and no training.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.rnn import RNNBase, RNNCellBase

from pruneexp.errors import UserError
from pruneexp.pruning.removal import Architecture, shrink_
from pruneexp.tracing.graphs import tensors_of

#: The arguments of torch's layers that say sizes, which are names of attributes, too.
_SIZES: Mapping[type[nn.Module], tuple[str, ...]] = {
    _ConvNd: ("in_channels", "out_channels", "groups"),
    nn.Linear: ("in_features", "out_features"),
    nn.Embedding: ("embedding_dim",),
    nn.PReLU: ("num_parameters",),
    _NormBase: ("num_features",),
    RNNBase: ("input_size", "hidden_size"),
    RNNCellBase: ("input_size", "hidden_size"),
}


def initial_values(build: Callable[[], nn.Module], architecture: Architecture) -> dict[str, Tensor]:
    """Parameters and buffers, by name, of the network that ``build`` makes with the sizes of an architecture.

    ``build`` makes a new network with the same random numbers at each call.

    Raises:
        UserError: its constructor does not give the sizes that its layers are made with.
    """
    with _made() as order:
        whole = build()
    names = {id(module): name for name, module in whole.named_modules()}
    small = copy.deepcopy(whole)
    shrink_(small, architecture)
    modules = [small.get_submodule(names[id(each)]) if id(each) in names else each for each in order]
    with _made([_sizes(module) for module in modules]):
        fresh = build()
    found, wanted = tensors_of(fresh), tensors_of(small)
    if wrong := [name for name, tensor in wanted.items() if name not in found or found[name].shape != tensor.shape]:
        raise UserError(
            f"mode.small_init: {type(whole).__name__} cannot be made without channels, as its code sets the size of "
            f"{wrong[0]} by itself: leave small_init out"
        )
    return {name: tensor.detach() for name, tensor in found.items()}


def _sizes(module: nn.Module) -> dict[str, int]:
    names = next(names for kind, names in _SIZES.items() if isinstance(module, kind))
    return {name: getattr(module, name) for name in names}


@contextmanager
def _made(sizes: list[dict[str, int]] | None = None) -> Iterator[list[nn.Module]]:
    """Note the layers that are made meanwhile, in order, and give each its ``sizes`` where these are said."""
    order: list[nn.Module] = []
    constructors = {kind: kind.__init__ for kind in _SIZES}

    def noting(constructor: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(constructor)

        @wraps(constructor)
        def make(module: nn.Module, *args: Any, **kwargs: Any) -> None:
            call = signature.bind(module, *args, **kwargs)
            if sizes is not None and len(order) < len(sizes):
                call.arguments.update(sizes[len(order)])
            order.append(module)
            constructor(*call.args, **call.kwargs)

        return make

    for kind, constructor in constructors.items():
        kind.__init__ = noting(constructor)  # type: ignore[method-assign]
    try:
        yield order
    finally:
        for kind, constructor in constructors.items():
            kind.__init__ = constructor  # type: ignore[method-assign]
