"""What retraining does to the network of a point, from its cut to its end, as a file of its run keeps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


class LineLoss(NamedTuple):
    """The loss on train and on val at ``(1 - t) * before + t * after`` retraining."""

    t: float
    train: float
    val: float


class EpochWeights(NamedTuple):
    """The kept weights of one layer after so many epochs of retraining.

    ``counts`` are those in bins of the layer's ``width``, as many below zero as above; ``magnitude`` is the mean of
    |w|, and ``inside`` the share of them with a smaller |w| than the layer's ``gap``.
    """

    epoch: int
    counts: tuple[int, ...]
    magnitude: float
    inside: float


@dataclass(frozen=True, kw_only=True)
class LayerCourse:
    """The kept weights of one layer over the epochs of retraining, the first of which is 0, before it.

    ``gap`` is the smallest |w| that was kept, 0 where nothing of the layer is pruned; ``width`` is the gap, or 1, times
    a power of two.
    """

    layer: str
    width: float
    gap: float
    epochs: tuple[EpochWeights, ...]


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """Losses along the line from the network before retraining to the one after it, and weights in between.

    The loss on train is that of so many ``examples``. ``batchnorm`` says that statistics of batch normalisation were
    estimated anew at each place of the line, which a network without them has no need of.
    """

    examples: int
    batchnorm: bool
    line: tuple[LineLoss, ...]
    layers: tuple[LayerCourse, ...]

    def text(self) -> str:
        """As the file holds it."""
        return json.dumps(asdict(self), separators=(",", ":"))


def read_retraining(text: str) -> Retraining:
    """Inverse of ``Retraining.text``.

    Raises:
        ValueError: it is no such text.
    """
    try:
        told = json.loads(text)
        line = tuple(LineLoss(*place) for place in told["line"])
        layers = tuple(LayerCourse(**{**layer, "epochs": tuple(map(_epoch, layer["epochs"]))})
                       for layer in told["layers"])  # fmt: skip
        return Retraining(**{**told, "line": line, "layers": layers})
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no retraining: {error}") from error


def _epoch(row: Sequence[Any]) -> EpochWeights:
    epoch, counts, magnitude, inside = row
    return EpochWeights(epoch, tuple(counts), magnitude, inside)
