"""One checkpoint for a stage that trains in several parts: which parts are finished, and where the present one is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pruneexp.training.snapshot import Checkpointer


class PartCheckpoint:
    """A checkpoint for the part at hand; ``finished`` holds what the parts before it came to.

    The first save of a part replaces the last of the part before it, so nothing is lost between the two: the weights a
    part starts from are in its own checkpoint, or, before its first save, in the last one of its predecessor.
    """

    def __init__(self, whole: Checkpointer) -> None:
        self._whole = whole
        found = whole.load()
        self.finished: list[Mapping[str, Any]] = list(found[1]["finished"]) if found is not None else []
        self._found = found

    def due(self) -> bool:
        return self._whole.due()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        found, self._found = self._found, None
        return None if found is None else (found[0], found[1]["position"])

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self._whole.save(tensors, {"finished": list(self.finished), "position": dict(state)})

    def finish(self, part: Mapping[str, Any]) -> None:
        """The part at hand is done; what is saved from now on belongs to the next."""
        self.finished.append(part)
