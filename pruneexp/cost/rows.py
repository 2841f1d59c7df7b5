"""Per-layer rows and totals of a network, from counts, dense FLOP and measured activations; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pruneexp.cost.rules import flop_share, total_share
from pruneexp.schema import LayerRow

if TYPE_CHECKING:
    from pruneexp.cost.activations import Activations
    from pruneexp.cost.counts import LayerCount


def layer_rows(
    counts: Sequence[LayerCount], flop: Mapping[str, float], activations: Activations
) -> tuple[LayerRow, ...]:
    """One row per layer, in the order of ``counts``; ``flop`` is the dense cost of each layer for one image.

    Raises:
        KeyError: ``flop`` or ``activations`` lacks a layer.
    """
    return tuple(_row(count, flop[count.layer], activations) for count in counts)


def totals(rows: Sequence[LayerRow], activations: Activations) -> dict[str, Any]:
    """The costs of a whole network by their names in ``schema.PointResult``; shares weigh as in ``rules.total_share``.

    FLOP are for one image: ``flop_weights`` when pruned weights cost nothing, ``flop_effective`` when zero inputs cost
    nothing either (Han's FLOP column).

    Raises:
        ValueError: there is no row.
        KeyError: ``activations`` lacks a layer.
    """
    return {
        "density": total_share((row.density, row.weights_total) for row in rows),
        "density_effective": total_share((row.density_effective, row.weights_total) for row in rows),
        "weights_total": sum(row.weights_total for row in rows),
        "weights_kept": sum(row.weights_kept for row in rows),
        "flop_dense": sum(row.flop for row in rows),
        "flop_weights": sum(row.flop * row.density for row in rows),
        "flop_effective": sum(row.flop * row.flop_share for row in rows),
        "activation_share": _activation_share(rows, activations),
        "neurons_total": sum(row.neurons_total for row in rows),
        "neurons_dead": sum(row.neurons_dead for row in rows),
        "bytes_dense": sum(row.bytes_dense for row in rows),
        "bytes_sparse": sum(row.bytes_sparse for row in rows),
    }


def _activation_share(rows: Sequence[LayerRow], activations: Activations) -> float:
    """1 where no layer ran as a module, so that none was measured."""
    if not any(activations.sizes.values()):
        return 1.0
    return total_share((row.activation_share, activations.sizes[row.layer]) for row in rows)


def _row(count: LayerCount, flop: float, activations: Activations) -> LayerRow:
    density = count.weights_kept / count.weights_total
    return LayerRow(
        layer=count.layer,
        kind=count.kind,
        weights_total=count.weights_total,
        weights_kept=count.weights_kept,
        density=density,
        density_effective=count.weights_effective / count.weights_total,
        flop=flop,
        activation_share=activations.outputs[count.layer],
        flop_share=flop_share(density, activations.inputs[count.layer]),
        neurons_total=count.neurons_total,
        neurons_dead=count.neurons_dead,
        bytes_dense=count.bytes_dense,
        bytes_sparse=count.bytes_sparse,
        kernel=count.kernel,
    )
