"""What a pass leaves of tensors when only zeros and dependence on the images are told apart.

Gradients of patterns are patterns of the paths back to the parameters. Knows no networks and no masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: Rounding, as of convolutions by Fourier transforms, stays below; what rules make of a path is more.
_LEAST = 2.0**-8


class _Binary(torch.autograd.Function):
    """1 where a pattern is above 0, and the same for gradients, so that no path is lost to rounding or overflow."""

    @staticmethod
    def forward(ctx: Any, pattern: Tensor) -> Tensor:
        return (pattern > _LEAST).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return (gradients[0] > _LEAST).float()


@dataclass(frozen=True)
class Pattern:
    """What is known of a tensor of the pass: its ``value``, and ``ones``, 1 or 0 in its shape.

    Of a tensor that follows from the images (``varies``), ``ones`` marks the numbers that depend on them; of any other,
    those that are not zero.
    """

    ones: Tensor
    value: Tensor
    varies: bool

    @property
    def nonzero(self) -> Tensor:
        """Where a number can be other than zero; no path of gradients leads through it."""
        ones = self.ones.detach()
        return ((self.value != 0) | (ones > 0)).float() if self.varies else ones


def constant(value: Tensor) -> Pattern:
    """The pattern of a tensor that no image and no parameter leads to."""
    return Pattern((value != 0).float(), value, varies=False)


def varying(ones: Tensor, value: Tensor) -> Pattern:
    """The pattern of a tensor that follows from the images, where ``ones`` is above 0."""
    return Pattern(_binary(ones), value, varies=True)


def computed(ones: Tensor, value: Tensor) -> Pattern:
    """The pattern of a tensor made of parameters alone; paths lead to them where ``ones`` is above 0."""
    path = _binary(ones)
    return Pattern(path + (value != 0).float() * (1 - path.detach()), value, varies=False)


def _binary(ones: Tensor) -> Tensor:
    binary: Tensor = _Binary.apply(ones)
    return binary


@dataclass(frozen=True)
class OperationCall:
    """One operation of the pass: its function, its arguments by name, and its result.

    Tensors among the arguments are patterns. ``varies`` says that one of them does.
    """

    function: Any
    arguments: Mapping[str, Any]
    value: Any
    varies: bool

    def __getitem__(self, name: str) -> Any:
        return self.arguments.get(name)

    def pattern(self, name: str) -> Pattern:
        """The argument of this name, which is a tensor."""
        part = self.arguments[name]
        assert isinstance(part, Pattern)
        return part

    @property
    def patterns(self) -> list[Pattern]:
        """All tensors among the arguments."""
        return list(patterns_of(self.arguments))

    @property
    def shape(self) -> torch.Size:
        """That of the result, or of its first tensor."""
        first = self.value if isinstance(self.value, Tensor) else self.value[0]
        assert isinstance(first, Tensor)
        return first.shape

    def zeros(self, shape: Sequence[int]) -> Tensor:
        """Zeros on the device of the result."""
        first = self.value if isinstance(self.value, Tensor) else self.value[0]
        return torch.zeros(tuple(shape), device=first.device)

    def side(self, part: Pattern | None) -> Tensor:
        """What a part of a sum contributes.

        A constant beside something that varies makes nothing vary; but a parameter in it is read where the sum is.
        """
        if part is None:
            return self.zeros(())
        if part.varies or not self.varies:
            return part.ones
        return part.ones - part.ones.detach()


def product(times: Callable[[Tensor, Tensor], Tensor], first: Pattern, second: Pattern) -> Tensor:
    """Where something bilinear in two tensors varies, or is not zero if both are constants."""
    if first.varies and second.varies:
        return times(first.ones, second.nonzero) + times(first.nonzero, second.ones)
    return times(first.ones, second.ones)


def patterns_of(part: Any) -> Iterator[Pattern]:
    """The patterns in nested arguments."""
    if isinstance(part, Pattern):
        yield part
    elif isinstance(part, Mapping):
        for each in part.values():
            yield from patterns_of(each)
    elif isinstance(part, Sequence) and not isinstance(part, str):
        for each in part:
            yield from patterns_of(each)


def replaced(part: Any, read: Callable[[Pattern], Any]) -> Any:
    """Nested arguments with what ``read`` makes of each pattern."""
    if isinstance(part, Pattern):
        return read(part)
    if isinstance(part, Mapping):
        return {name: replaced(each, read) for name, each in part.items()}
    if isinstance(part, list | tuple):
        return [replaced(each, read) for each in part]
    return part
