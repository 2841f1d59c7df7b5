"""What a dense network costs, and what one kept weight of it costs, for budgets in other measures than weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pruneexp.cost.storage import dense_bytes, entry_bytes
from pruneexp.pruning.allowance import Prices
from pruneexp.pruning.layers import PrunableLayer
from pruneexp.schema import BudgetKind


@dataclass(frozen=True)
class NetworkCosts:
    """What a dense network costs; FLOP are for one image.

    ``layer_flop`` are those of each prunable layer, ``flop_total`` those of the whole network, products of activations
    and of other parameters included. ``numbers_beside`` and ``bytes_beside`` are what it ships beside these layers.
    ``maps`` has the pixels of the maps that each convolution gives.
    """

    layer_flop: Mapping[str, float] = field(default_factory=dict)
    flop_total: float = 0.0
    numbers_beside: int = 0
    bytes_beside: int = 0
    maps: Mapping[str, int] = field(default_factory=dict)

    @property
    def flop_beside(self) -> float:
        """FLOP of products without prunable weights, which no pruning saves."""
        return self.flop_total - sum(self.layer_flop.values())

    def prices(self, kind: BudgetKind, layers: Mapping[str, PrunableLayer], scope: Collection[str]) -> Prices | None:
        """The prices of the weights of the layers in ``scope``; the other ``layers`` stay dense.

        A kept weight of a sparse layer takes its value and its index, but for the fillers of long gaps
        (``cost.storage``). None for budgets that count weights or units.
        """
        sizes = {name: layer.weight.numel() for name, layer in layers.items()}
        if kind == "flop":
            each = {name: self.layer_flop[name] / size for name, size in sizes.items()}
            return _prices(each, each, sizes, scope, self.flop_beside)
        if kind == "parameters":
            each = dict.fromkeys(sizes, 1.0)
            return _prices(each, each, sizes, scope, self.numbers_beside)
        if kind == "bytes":
            each = {name: entry_bytes(layer.kind) for name, layer in layers.items()}
            return _prices(each, dict.fromkeys(sizes, float(dense_bytes(1))), sizes, scope, self.bytes_beside)
        return None


def _prices(
    sparse: Mapping[str, float],
    dense: Mapping[str, float],
    sizes: Mapping[str, int],
    scope: Collection[str],
    beside: float,
) -> Prices:
    """From what a weight costs in a sparse and in a dense layer."""
    stays = beside + sum(dense[name] * size for name, size in sizes.items() if name not in scope)
    whole = beside + sum(dense[name] * size for name, size in sizes.items())
    return Prices({name: sparse[name] for name in scope}, stays, whole)
