"""What a cost of a user's own is: a number of a point, from the rows of its layers. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pruneexp.schema import LayerRow


class Cost(Protocol):
    """``curve.costs`` names such costs; a point has each as ``cost.NAME``."""

    def __call__(self, rows: Sequence[LayerRow]) -> float:
        """The cost of one pruned network, in the unit of the cost."""
        ...
