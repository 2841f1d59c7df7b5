"""How the weights of a point are distributed, layer by layer, as a file of its run keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LayerWeights:
    """The weights of one layer, counted in equal bins from ``-limit`` to ``limit``.

    ``dense`` are all weights before pruning, ``cut`` those of them that are kept, ``after`` the kept ones after
    retraining. ``inputs`` are the kept weights of each input, where the layer is linear and the network's first.
    """

    layer: str
    limit: float
    dense: tuple[int, ...]
    cut: tuple[int, ...]
    after: tuple[int, ...]
    units: int
    inputs: tuple[int, ...] = ()


def weights_text(layers: Sequence[LayerWeights]) -> str:
    """As the file holds it."""
    return json.dumps([asdict(layer) for layer in layers], separators=(",", ":"))


def read_weights(text: str) -> tuple[LayerWeights, ...]:
    """Inverse of ``weights_text``.

    Raises:
        ValueError: it is no such text.
    """
    try:
        return tuple(LayerWeights(**_tuples(row)) for row in json.loads(text))
    except (AttributeError, TypeError) as error:
        raise ValueError(f"these are no weights: {error}") from error


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
