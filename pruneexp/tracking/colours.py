"""One colour per kind of curve, so that every view draws it alike; knows only the names of the choices."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

#: MLflow draws a run in the colour that this tag of its own holds.
TAG = "mlflow.runColor"

#: Okabe and Ito, without yellow, which is too light on white.
_PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_PRUNED = {
    ("l2", "one_shot"): 0,
    ("l1", "one_shot"): 1,
    ("l2", "progressive"): 2,
    ("l1", "progressive"): 3,
    ("l2", "iterative"): 4,
    ("l1", "iterative"): 5,
    ("l1_then_l2", "one_shot"): 6,
}
_CRITERIA = {"global_magnitude": 0, "layer_magnitude": 2, "layer_std": 4, "stochastic_magnitude": 5, "random": 6}
_OTHER_MODES = {"scratch_e": 5, "scratch_b": 4, "rewind": 6}


def colour(identity: Mapping[str, Any]) -> str:
    """Of a flat identity, or as much of it as there is: neighbours in a figure differ, the same choices never do."""
    labels = [str(identity.get(name, "")) for name in ("reg", "schedule", "mode", "criterion")]
    if identity.get("study"):  # trials that were retrained stand out
        place = 0 if str(identity.get("retrain_epochs", "0")) == "0" else 1
    elif labels[2] in _OTHER_MODES:
        place = _OTHER_MODES[labels[2]]
    else:
        digest = hashlib.sha256(" ".join(labels).encode()).digest()
        place = _PRUNED.get((labels[0], labels[1]), digest[0]) + _CRITERIA.get(labels[3], 1)
    return _PALETTE[place % len(_PALETTE)]
