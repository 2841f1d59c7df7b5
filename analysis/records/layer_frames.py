"""Layers of points as one tidy pandas frame: a row per point and layer.

Pure, as ``frames`` is. Columns are those of the frame of points, and beside them

    layer.NAME    of the layer, as ``pruneexp.schema.LayerRow`` has it: ``layer.layer`` is what it is called
    place         of the layer in its network, from 0

or, of how weights are distributed, ``place``, ``layer`` and ``weights``, a ``pruneexp.schema.LayerWeights`` each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from pruneexp.schema import LayerRow, LayerWeights, flat_names, flatten

COLUMNS = ("run_id", "place", *(f"layer.{name}" for name in flat_names(LayerRow)))


def frame(points: pd.DataFrame, layers: Mapping[str, Sequence[LayerRow]]) -> pd.DataFrame:
    """The points in their order, each once for every layer in the order of the network; ``layers`` by run id."""
    rows = [
        {"run_id": run_id, "place": place, **flatten(row, "layer.")}
        for run_id, of in layers.items()
        for place, row in enumerate(of)
    ]
    return points.merge(pd.DataFrame(rows, columns=list(COLUMNS)), on="run_id", how="inner")


def weights(points: pd.DataFrame, found: Mapping[str, Sequence[LayerWeights]]) -> pd.DataFrame:
    """The points that have a distribution, each once for every layer; ``found`` by run id."""
    rows = [(run_id, place, one.layer, one) for run_id, of in found.items() for place, one in enumerate(of)]
    return points.merge(pd.DataFrame(rows, columns=["run_id", "place", "layer", "weights"]), on="run_id", how="inner")
