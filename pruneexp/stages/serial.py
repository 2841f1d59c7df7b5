"""One checkpoint for a stage that trains several times in a row: what is finished, and where the present training is.

Knows nothing of what is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pruneexp.training.snapshot import Checkpointer


class SerialCheckpoint:
    """A checkpoint for the training at hand; ``finished`` holds what the trainings before it came to.

    The first save of a training replaces the last of the training before it, so nothing is lost between the two: the
    weights that a training starts from are in its own checkpoint, or, before its first save, in the last one of its
    predecessor.
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

    def finish(self, training: Mapping[str, Any]) -> None:
        """The training at hand is done; what is saved from now on belongs to the next."""
        self.finished.append(training)
