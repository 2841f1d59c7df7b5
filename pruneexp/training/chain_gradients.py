"""Loss and gradients of a chain of layers (``chain``), worked out layer by layer instead of by autograd.

They are autograd's but for the last bits, because ``products`` chooses the kernels. Knows no optimizer and no masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pruneexp.training import products
from pruneexp.training.chain import ChainLink

#: From the gradient at a layer's outputs to that at its inputs.
_Backward = Callable[[Tensor], Tensor]


class ChainGradients:
    """The gradients of one network, in training mode, whose layers are ``chain``; ``smoothing`` is that of labels."""

    def __init__(self, network: nn.Module, chain: Sequence[ChainLink], smoothing: float) -> None:
        layers = [(link.kind, network.get_submodule(link.name)) for link in chain]
        first = next(index for index, (kind, _) in enumerate(layers) if kind == "linear")
        self._before, self._first, self._after = layers[:first], layers[first][1], layers[first + 1 :]
        self._smoothing = smoothing

    @torch.no_grad()
    def __call__(self, images: Tensor, labels: Tensor, draws: torch.Generator) -> Tensor:
        """Set the gradients of the mean loss on a batch, (B, ...) and (B,), and return that loss; images stay.

        Dropouts draw from ``draws`` what ``nn.Dropout`` on a CPU draws from torch's global generator.
        """
        inputs = images.flatten(1)
        for kind, module in self._before:  # these have no parameters, so no gradient goes back to them
            inputs, _ = _forward(kind, module, inputs, draws)
        outputs, backwards = _linear_outputs(self._first, inputs), list[_Backward]()
        for kind, module in self._after:
            outputs, backward = _forward(kind, module, outputs, draws)
            backwards.append(backward)
        loss, gradient = _loss(outputs, labels, self._smoothing)
        for backward in reversed(backwards):
            gradient = backward(gradient)
        _set_gradients(self._first, inputs, gradient)
        return loss


def _forward(kind: str, module: nn.Module, inputs: Tensor, draws: torch.Generator) -> tuple[Tensor, _Backward]:
    if kind == "linear":
        return _linear(module, inputs)
    return _relu(inputs) if kind == "relu" else _dropout(module, inputs, draws)


def _linear(module: nn.Module, inputs: Tensor) -> tuple[Tensor, _Backward]:
    assert isinstance(module, nn.Linear)

    def backward(gradient: Tensor) -> Tensor:
        _set_gradients(module, inputs, gradient)
        return products.linear(gradient, module.weight.t())

    return _linear_outputs(module, inputs), backward


def _linear_outputs(module: nn.Module, inputs: Tensor) -> Tensor:
    assert isinstance(module, nn.Linear)
    return products.linear(inputs, module.weight, module.bias)


def _set_gradients(module: nn.Module, inputs: Tensor, gradient: Tensor) -> None:
    assert isinstance(module, nn.Linear)
    module.weight.grad = products.linear(gradient.t(), inputs.t())
    if module.bias is not None:
        module.bias.grad = gradient.sum(0)


def _relu(inputs: Tensor) -> tuple[Tensor, _Backward]:
    outputs = inputs.relu()
    return outputs, lambda gradient: torch.ops.aten.threshold_backward(gradient, outputs, 0)


def _dropout(module: nn.Module, inputs: Tensor, draws: torch.Generator) -> tuple[Tensor, _Backward]:
    """As ``nn.Dropout`` on a CPU, which draws nothing at the rates 0 and 1."""
    assert isinstance(module, nn.Dropout)
    kept = 1.0 - module.p
    if kept == 1.0:
        return inputs, lambda gradient: gradient
    factors = torch.zeros_like(inputs)
    if kept > 0.0:
        factors.bernoulli_(kept, generator=draws).div_(kept)
    return inputs * factors, lambda gradient: gradient * factors


def _loss(logits: Tensor, labels: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """The mean cross-entropy, and its gradient at the logits, by autograd."""
    leaf = logits.detach().requires_grad_()
    with torch.enable_grad():
        loss = cross_entropy(leaf, labels, label_smoothing=smoothing)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient
