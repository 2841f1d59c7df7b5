"""Which colour of the house palette a run has: it follows from what the run is of.

What looks alike differs in seed and budget alone. Knows the palette; not what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pruneexp.summary import palette

#: MLflow draws a run in the colour that this tag of its own holds.
COLOUR = "mlflow.runColor"
#: Names of a flat identity that tell the curves, the scans of an experiment apart.
_CURVE, _SCAN = ("reg", "schedule", "mode", "criterion"), ("model", "reg", "criterion", "seed")


def curve_colour(identity: Mapping[str, Any]) -> str:
    """Of a curve, and of all that is under it or a mean of such: the paper's where it has one."""
    return palette.colour(*(str(identity.get(name, "")) for name in _CURVE))


def scan_colour(identity: Mapping[str, Any]) -> str:
    return palette.other(*(str(identity.get(name, "")) for name in _SCAN))


def trial_colour(identity: Mapping[str, Any]) -> str:
    """Of a trial of a search: one that was retrained stands out from those that were cut alone."""
    return palette.LEVELS[int(str(identity.get("retrain_epochs", "0")) != "0")]
