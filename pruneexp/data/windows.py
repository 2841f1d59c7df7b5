"""A text in memory, as windows of tokens and the tokens that follow. Knows no alphabet and no files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pruneexp.data.dataset import visiting_order


@dataclass(frozen=True, eq=False)
class WindowSource:
    """A ``Source`` over a text of int64 ``tokens`` (L,), on the CPU, in windows of ``window`` tokens.

    Window ``i`` begins at token ``i * window``, and its targets one token later. What is left at the end, too short for
    a window, is not visited. Nothing is augmented. The source keeps a copy on each requested device.

    Raises:
        ValueError: the tokens have another type or shape.
    """

    tokens: Tensor
    window: int
    _places: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.tokens.dtype != torch.int64 or self.tokens.ndim != 1:
            raise ValueError(
                f"tokens are {self.tokens.dtype} of shape {tuple(self.tokens.shape)}; int64 (L,) is allowed"
            )

    def __len__(self) -> int:
        return max(0, len(self.tokens) - 1) // self.window

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """As ``Source.batches``: windows (B, T), and the tokens that follow each of theirs."""
        indices = visiting_order(order, batch_size, len(self))
        return self._select(indices.to(device), batch_size, device)

    def _select(self, indices: Tensor, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        if len(indices) == 0:
            return
        if device not in self._places:
            self._places[device] = self.tokens.to(device)
        windows = self._places[device].unfold(0, self.window + 1, self.window)
        for chosen in indices.split(batch_size):
            both = windows.index_select(0, chosen)
            yield both[:, :-1].contiguous(), both[:, 1:].contiguous()
