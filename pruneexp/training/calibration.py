"""What a network does with a few batches: gradients of its loss, and norms of the inputs of its layers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.rnn import RNNBase

from pruneexp.errors import UserError
from pruneexp.pruning.layers import PrunableLayer, callers
from pruneexp.tasks.task import Task
from pruneexp.tracing.mode import evaluating
from pruneexp.training import layout


def calibrated(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    task: Task,
    layers: Mapping[str, PrunableLayer],
    wanted: Collection[str],
) -> dict[str, dict[str, Tensor]]:
    """The ``wanted`` statistics (``pruning.informed``) of these layers over all batches, on the CPU.

    The network is in evaluation mode, without dropout, and its parameters and statistics stay as they are.

    Raises:
        UserError: the inputs of a layer are not seen, because it is no convolution or linear layer that is called.
    """
    arrange, weights = layout.for_network(network), [layer.weight for layer in layers.values()]
    inputs, sums = _InputSums(layers), {name: _zeros(weights) for name in wanted if name in _OF_GRADIENTS}
    count = 0
    with evaluating(network), _differentiable(network, weights), inputs.watched(network, "input_norms" in wanted):
        for batch, targets in batches:
            count += 1
            with torch.set_grad_enabled(bool(sums)):
                loss, _ = task.loss(network, arrange(batch), targets)
            for place, gradient in enumerate(_gradients(loss, weights) if sums else ()):
                for name, total in sums.items():
                    total[place] += _OF_GRADIENTS[name](gradient.float())
    found = {
        name: {layer: (each / count).cpu() for layer, each in zip(layers, total, strict=True)}
        for name, total in sums.items()
    }
    return found | ({"input_norms": inputs.norms()} if "input_norms" in wanted else {})


#: What is averaged over batches, by the statistic.
_OF_GRADIENTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gradients": lambda gradient: gradient,
    "squared_gradients": torch.square,
}


def _zeros(weights: Sequence[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(weight, dtype=torch.float32) for weight in weights]


def _gradients(loss: Tensor, weights: list[nn.Parameter]) -> Iterator[Tensor]:
    """The gradient of each weight; zeros where the loss does not depend on it."""
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    for weight, gradient in zip(weights, found, strict=True):
        yield torch.zeros_like(weight) if gradient is None else gradient


@contextmanager
def _differentiable(network: nn.Module, weights: list[nn.Parameter]) -> Iterator[None]:
    """Frozen weights have gradients for a while; recurrent layers without cuDNN, which has none in evaluation mode."""
    frozen = [weight for weight in weights if not weight.requires_grad]
    recurrent = any(isinstance(module, RNNBase) for module in network.modules())
    with ExitStack() as stack:
        if recurrent:
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        for weight in frozen:
            weight.requires_grad_(True)
        try:
            yield
        finally:
            for weight in frozen:
                weight.requires_grad_(False)


#: How many layers a message names.
_NAMED = 3


class _InputSums:
    """The sums of squares of what convolutions and linear layers are given, by feature or by channel."""

    def __init__(self, layers: Mapping[str, PrunableLayer]) -> None:
        self._layers, self._sums = layers, dict[str, Tensor]()
        self._groups = dict[str, int]()

    @contextmanager
    def watched(self, network: nn.Module, wanted: bool) -> Iterator[None]:
        """Count what each call is given, of all modules that share a weight."""
        called = {name: layer for name, layer in self._layers.items() if layer.module}
        with ExitStack() as stack:
            for name, module in callers(network, called) if wanted else ():
                self._groups[name] = module.groups if isinstance(module, _ConvNd) else 1
                dimension = -1 if isinstance(module, nn.Linear) else 1 - self._layers[name].weight.ndim
                handle = module.register_forward_pre_hook(partial(self._add, name, dimension))
                stack.callback(handle.remove)
            yield

    def _add(self, name: str, dimension: int, module: nn.Module, given: tuple[Any, ...]) -> None:
        squares = given[0].detach().double().square().movedim(dimension, 0).flatten(1).sum(1)
        self._sums[name] = self._sums.get(name, torch.zeros_like(squares)) + squares

    def norms(self) -> dict[str, Tensor]:
        """In shapes that broadcast to the weights."""
        if unseen := [name for name in self._layers if name not in self._sums]:
            more = f" and {len(unseen) - _NAMED} others" if len(unseen) > _NAMED else ""
            raise UserError(
                f"the criterion needs the inputs of the layers that it prunes, and sees none of "
                f"{', '.join(unseen[:_NAMED])}{more}: it sees those of convolutions and linear layers that are called; "
                "leave others out with criterion.exclude, as in 'criterion.exclude=[\"*attention*\"]', or "
                "criterion.layers"
            )
        return {name: self._shaped(name, total.sqrt().float().cpu()) for name, total in self._sums.items()}

    def _shaped(self, name: str, norms: Tensor) -> Tensor:
        """Outputs of a grouped convolution see the channels of their group alone."""
        weight, groups = self._layers[name].weight, self._groups[name]
        each = norms.view(groups, -1).repeat_interleave(weight.shape[0] // groups, 0) if groups > 1 else norms[None]
        return each.view(*each.shape, *[1] * (weight.ndim - 2))
