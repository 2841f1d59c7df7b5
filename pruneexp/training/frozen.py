"""Training mode with some modules of the network frozen, for a while; knows neither data nor optimizer."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pruneexp.errors import UserError


@contextmanager
def training_except(network: nn.Module, frozen: Collection[str]) -> Iterator[None]:
    """Put ``network`` into training mode, but for the modules and parameters named in ``frozen`` and all inside them.

    Within the context the parameters of frozen modules require no gradient, and frozen batch normalisation uses its
    running statistics without updating them; normalisation that merely follows a frozen layer is trained. Afterwards
    modes and ``requires_grad`` are as before, and no parameter has a gradient.

    Raises:
        UserError: a name is no module and no parameter of the network.
    """
    still, single = _named(network, frozen)
    modes = [(module, module.training) for module in network.modules()]
    inside = [parameter for module in still for parameter in module.parameters()]
    held = [parameter for parameter in (*inside, *single) if parameter.requires_grad]
    network.train()
    for module in still:
        for inner in module.modules():
            inner.training = inner.training and not isinstance(inner, _BatchNorm)
    try:
        for parameter in held:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
        for module, mode in modes:
            module.training = mode
        for parameter in network.parameters():
            parameter.grad = None


def _named(network: nn.Module, names: Collection[str]) -> tuple[list[nn.Module], list[nn.Parameter]]:
    modules, parameters = dict(network.named_modules()), dict(network.named_parameters())
    unknown = sorted(set(names) - modules.keys() - parameters.keys())
    if unknown:
        known = ", ".join(name for name in modules if name)
        raise UserError(
            f"Cannot freeze {', '.join(map(repr, unknown))} of {type(network).__name__}; its modules are {known}."
        )
    whole = [modules[name] for name in names if name in modules]
    return whole, [parameters[name] for name in names if name not in modules]
