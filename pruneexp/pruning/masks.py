"""Masks of a pruned network: which of its weights are kept.

Masks live outside the network: state-dict keys never change, and a masked network is an ordinary network whose pruned
weights are exactly zero. Knows nothing of the choice of masks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.layers import weights


class MaskSet(Mapping[str, Tensor]):
    """Immutable mapping of layer name -> boolean tensor in the shape of that layer's weight; ``True`` = kept.

    It shares the tensors of ``masks`` and does not copy them: no code may write to them.
    """

    def __init__(self, masks: Mapping[str, Tensor]) -> None:
        for name, mask in masks.items():
            if mask.dtype is not torch.bool:
                raise ValueError(f"the mask of {name!r} has dtype {mask.dtype}; allowed is torch.bool")
        self._masks = dict(masks)

    @classmethod
    def dense(cls, weights: Mapping[str, Tensor]) -> MaskSet:
        """Everything kept, on the devices of ``weights``."""
        return cls({name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()})

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> MaskSet:
        """Inverse of ``to_tensors``."""
        return cls(tensors)

    def to_tensors(self) -> dict[str, Tensor]:
        """Contiguous boolean tensors on the CPU, ready for safetensors."""
        return {name: mask.cpu().contiguous() for name, mask in self._masks.items()}

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MaskSet):
            return NotImplemented
        return self.keys() == other.keys() and all(torch.equal(mask, other[name]) for name, mask in self.items())

    __hash__ = None  # type: ignore[assignment]  # equality reads the tensors

    def __repr__(self) -> str:
        layers = ", ".join(f"{name} {kept}/{self[name].numel()}" for name, kept in self.kept_per_layer.items())
        return f"MaskSet({layers})"

    @cached_property
    def kept_per_layer(self) -> dict[str, int]:
        """Number of kept weights of each layer."""
        return {name: int(mask.count_nonzero()) for name, mask in self._masks.items()}

    @property
    def kept(self) -> int:
        """Number of kept weights."""
        return sum(self.kept_per_layer.values())

    @property
    def total(self) -> int:
        """Number of weights, kept or not."""
        return sum(mask.numel() for mask in self._masks.values())

    @property
    def density(self) -> float:
        """Kept / total over all layers; 1.0 for a set without weights."""
        return self.kept / self.total if self.total else 1.0

    def densities(self) -> dict[str, float]:
        """Kept / total of each layer."""
        return {name: kept / max(1, self[name].numel()) for name, kept in self.kept_per_layer.items()}

    @property
    def masks(self) -> MaskSet:
        """Itself: a set of masks is the plainest edit (``edits.edit.Edit``)."""
        return self

    def of_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Zero where a weight is pruned."""
        return {name: weight.masked_fill(~self[name], 0.0) for name, weight in weights.items()}

    def of_gradients(self, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Zero where a weight is pruned, so that it stays so."""
        return {name: gradient.masked_fill(~self[name], 0.0) for name, gradient in gradients.items()}

    def at(self, weights: Mapping[str, Tensor], share: float) -> MaskSet:
        """Itself: no training changes it."""
        return self

    def state(self) -> dict[str, Tensor]:
        """Nothing beside the masks."""
        return {}

    def restored(self, masks: MaskSet, state: Mapping[str, Tensor]) -> MaskSet:
        """The masks."""
        return masks

    def value_bits(self) -> int:
        """Those of a float."""
        return 32

    def restrict(self, names: Collection[str]) -> MaskSet:
        """The masks of these layers alone, in this set's order; ``KeyError`` for a name that is not in the set."""
        missing = [name for name in names if name not in self._masks]
        if missing:
            raise KeyError(missing[0])
        return MaskSet({name: mask for name, mask in self._masks.items() if name in names})

    def to(self, device: torch.device | str) -> MaskSet:
        """The same masks on a device."""
        return MaskSet({name: mask.to(device) for name, mask in self._masks.items()})

    def apply_(self, network: nn.Module) -> None:
        """Set the pruned weights of ``network`` to zero, in place.

        Raises:
            UserError: the network lacks a masked layer, or its weight has another shape.
        """
        with torch.no_grad():
            for name, weight in masked_weights(network, self).items():
                weight.masked_fill_(~self[name].to(weight.device), 0.0)


def masked_weights(network: nn.Module, masks: MaskSet) -> dict[str, Tensor]:
    """The weight parameters of the layers of ``network`` that ``masks`` names.

    Raises:
        UserError: the network lacks a masked layer, or its weight has another shape.
    """
    found: dict[str, Tensor] = {}
    layers = weights(network) if masks else {}
    for name, mask in masks.items():
        if name not in layers:
            raise UserError(f"The masks name a layer {name!r} that {type(network).__name__} does not have.")
        weight = layers[name]
        if weight.shape != mask.shape:
            raise UserError(
                f"The mask of layer {name!r} has shape {tuple(mask.shape)}, its weight has {tuple(weight.shape)}: "
                "the masks belong to another architecture."
            )
        found[name] = weight
    return found
