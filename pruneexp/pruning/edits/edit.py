"""What an edit is: what compression makes of the weights of a network, as data, and what keeps it so in training.

Weights are mappings by layer name. Knows no networks and no training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from pruneexp.pruning.masks import MaskSet


class Edit(Protocol):
    """Pure functions on the weights and gradients of the layers that ``masks`` names; a ``MaskSet`` is an edit.

    Of all, ``masks`` says which weights may differ from zero now. What is handed in may not be changed.
    """

    @property
    def masks(self) -> MaskSet: ...

    def of_weights(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weights as the edit has them, in the same shapes: at once, and after each update of a training."""
        ...

    def of_gradients(self, gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The gradients that an update follows; layers whose loss does not depend on them are absent."""
        ...

    def at(self, weights: Mapping[str, Tensor], share: float) -> Edit:
        """The edit once this share of a training, in [0, 1], is done: itself, unless it changes while it is trained.

        It is asked twice before each update: what the first answer does to the weights can be undone by the second.
        """
        ...

    def state(self) -> Mapping[str, Tensor]:
        """What tells it from another with its masks, for a stage's result and for a resumed training."""
        ...

    def restored(self, masks: MaskSet, state: Mapping[str, Tensor]) -> Edit:
        """The edit that this one became, from its masks and what its ``state`` gave."""
        ...

    def value_bits(self) -> int:
        """Bits of the value of one kept weight, without its index: 32 where it may be any number."""
        ...


class Editor(Protocol):
    """Makes an edit of the weights that a budget left; ``criterion.edit`` names one."""

    def edit(self, weights: Mapping[str, Tensor], masks: MaskSet) -> Edit:
        """The edit of the weights in scope, as they were before the cut.

        Raises:
            UserError: the edit does not fit these weights.
        """
        ...
