"""Callbacks around each call of a prunable layer of a network; knows nothing of what they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pruneexp.pruning.layers import prunable, weight_of
from pruneexp.tracing.mode import evaluating

Observer = Callable[[str, Tensor, Tensor], None]


@contextmanager
def watched(network: nn.Module, before: Callable[[str, Tensor], None], after: Observer) -> Iterator[None]:
    """Put ``network`` in evaluation mode without gradients, with callbacks around each call of a prunable layer.

    ``before`` gets the layer's name and its input, as it is at that moment; ``after`` the name, the layer's weight and
    its output. A module that shares the weight of a listed layer goes by that layer's name. A use of a weight without a
    call of its module (``functional.linear(x, self.fc.weight)``) triggers no callback; ``overlooked`` names it. On exit
    the hooks are removed and the network's mode is restored, also after an exception.

    Raises:
        UserError: the network has no prunable layer.
    """
    names = {id(weight_of(module)): name for name, module in prunable(network).items()}
    hooks = []
    try:
        for module in network.modules():
            name = names.get(id(getattr(module, "weight", None)))
            if name is not None and isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)):
                hooks.append(module.register_forward_pre_hook(partial(_before, before, name), with_kwargs=True))
                hooks.append(module.register_forward_hook(partial(_after, after, name)))
        with evaluating(network), torch.no_grad():
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _before(
    observe: Callable[[str, Tensor], None], name: str, _: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any]
) -> None:
    observe(name, inputs[0] if inputs else named["input"])


def _after(observe: Observer, name: str, module: nn.Module, _: tuple[Any, ...], output: Tensor) -> None:
    observe(name, weight_of(module), output)
