"""Blocks: rectangles of a weight matrix, which block-sparse kernels skip as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pruneexp.errors import UserError


@dataclass(frozen=True)
class Block:
    """Blocks of ``shape`` (rows, columns) of the matrix (outputs, inputs of each); those at its ends may be smaller.

    A convolution (N, C, H, W) counts as the matrix (N, C * H * W).

    Raises:
        UserError: ``shape`` is not two whole numbers of at least 1.
    """

    shape: Sequence[int] = (4, 4)

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or any(not isinstance(side, int) or side < 1 for side in self.shape):
            raise UserError(f"criterion.unit.shape={list(self.shape)}: allowed are two whole numbers of at least 1")

    def members(self, name: str, weight: Tensor) -> Tensor:
        """The block of each weight, row by row of blocks."""
        matrix = weight.flatten(1)
        rows, columns = (torch.arange(side) // size for side, size in zip(matrix.shape, self.shape, strict=True))
        return (rows[:, None] * (int(columns[-1]) + 1) + columns).reshape(weight.shape)
