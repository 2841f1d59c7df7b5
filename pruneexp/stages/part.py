"""A stage that trains in several parts keeps one checkpoint and must know which part it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pruneexp.training.snapshot import Checkpoint

PART = "part"


class PartCheckpoint:
    """The checkpoint of part ``index``: one that an earlier part left is not its own."""

    def __init__(self, whole: Checkpoint, index: int) -> None:
        self._whole, self._index = whole, index

    def due(self) -> bool:
        return self._whole.due()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        found = self._whole.load()
        if found is None or found[1][PART] != self._index:
            return None
        tensors, state = found
        return tensors, {name: value for name, value in state.items() if name != PART}

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self._whole.save(tensors, {**state, PART: self._index})
