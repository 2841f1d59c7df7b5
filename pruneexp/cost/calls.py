"""Callbacks around each call of a convolution or linear layer of a network; knows nothing of what they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from pruneexp.pruning.layers import weights
from pruneexp.tracing.mode import evaluating

Observer = Callable[[str, Tensor], None]


@contextmanager
def watched(network: nn.Module, before: Observer, after: Observer) -> Iterator[None]:
    """Put ``network`` in evaluation mode without gradients, with callbacks around each call of such a layer.

    ``before`` gets the layer's name and its input, as it is at that moment; ``after`` the name and its output. A module
    that shares the weight of a listed layer goes by that layer's name. A use of a weight without a call of its module
    (``functional.linear(x, self.fc.weight)``) triggers no callback. On exit the hooks are removed and the network's
    mode is restored, also after an exception.

    Raises:
        UserError: the network has no prunable layer.
    """
    names = {id(weight): name for name, weight in weights(network).items()}
    hooks = []
    try:
        for module in network.modules():
            name = names.get(id(getattr(module, "weight", None)))
            if name is not None and isinstance(module, _ConvNd | nn.Linear):
                hooks.append(module.register_forward_pre_hook(partial(_before, before, name), with_kwargs=True))
                hooks.append(module.register_forward_hook(partial(_after, after, name)))
        with evaluating(network), torch.no_grad():
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _before(observe: Observer, name: str, _: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    observe(name, inputs[0] if inputs else named["input"])


def _after(observe: Observer, name: str, module: nn.Module, _: tuple[Any, ...], output: Tensor) -> None:
    observe(name, output)
