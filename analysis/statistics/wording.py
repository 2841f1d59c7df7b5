"""How conditions of records are put into words: ``λ = 1e-4``, ``6 + 2 epochs``, ``first rate × 0.1``.

Knows the names of conditions and no record; a condition without words of its own is put by its name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from analysis.names import display_name

#: What stands for a value that is absent, in texts and on the command line.
ABSENT = "none"

#: Conditions whose values say by themselves what they are of.
_PLAIN = (
    "model",
    "data",
    "reg",
    "criterion",
    "schedule",
    "mode",
    "optimizer",
    "precision",
    "moment",
    "side",
    "task",
    "metric.name",
)
_MOMENTS = {"before": "before retraining", "after": "after retraining", "rounds": "after rounds of retraining"}
#: What is said of a value, by the condition.
_PHRASES: Mapping[str, str] = {
    "reg_strength": "λ = {}",
    "reg_retrain_strength": "λ = {} in retraining",
    "train": "recipe {}",
    "train_lr": "rate {}",
    "reg_lr_factor": "rate × {} under the penalty",
    "retrain_lr_factor": "first rate × {}",
    "batch_size": "batches of {}",
    "train_schedule": "{} rate",
    "retrain_schedule": "{} rate in retraining",
    "warmup": "warm-up {}",
    "dropout": "{} dropout",
    "retrain_scope": "{} retraining",
    "prunable": "{} pruned",
    "exclude": "{} spared",
    "budget.value": "budget {}",
    "rewind_epoch": "from epoch {}",
    "path": "budgets {}",
    "trainer": "{} trainer",
    "targets": "{} targets",
    "levels": "levels of {}",
    "experiment": "{}",
    "study": "study {}",
}


def words(key: Mapping[str, Any], names: Iterable[str]) -> str:
    """Conditions as a legend has them: ``layer_std, λ = 1e-5, 6 + 2 epochs``."""
    told = list(names)
    if "retrain_epochs" in told and _both_epochs(key):
        told = [name for name in told if name != "train_epochs"]  # one phrase says both
    return ", ".join(dict.fromkeys(phrase(name, key) for name in told))


def phrase(name: str, key: Mapping[str, Any]) -> str:
    """One condition of a record, with its value."""
    value = key[name]
    if name in ("train_epochs", "retrain_epochs"):
        return _epochs(name, key)
    if name == "rounds" and value:
        return _several(value, "round")
    if name == "moment":
        return _MOMENTS.get(value, str(value))
    if value is None or value == "" or (name, value) == ("dropout", "none"):
        return f"no {_spaced(name)}"
    if hashed(name):
        return _of_hash(name, str(value))
    if name in _PLAIN:
        return display_name(name, value)
    return _PHRASES.get(name, _spaced(name) + " {}").format(number(value))


def retraining_epochs(key: Mapping[str, Any]) -> Any:
    """How long a network is retrained: as the record says, and where training is rewound, for what that repeats."""
    if key.get("mode") not in ("rewind", "lr_rewind") or not key.get("train_epochs"):
        return key["retrain_epochs"]
    from_epoch = key.get("rewind_epoch")
    before = float(from_epoch) if isinstance(from_epoch, Real) else 0.0
    return float(key["train_epochs"]) - (0.0 if math.isnan(before) else before)


def unsaid(told: Iterable[str]) -> str:
    """A sentence on what no record says of these words; empty where they say all."""
    lettered = any(re.search(r"\bsettings [A-Z]+\b", text) for text in told)
    return "Settings with a letter differ in what no record says, such as their code." if lettered else ""


def number(value: Any) -> str:
    """A value as people write it: ``1e-4`` and ``0.01``, texts as they are."""
    if not isinstance(value, float):
        return str(value)
    if value == 0.0 or value.is_integer() or abs(value) >= 0.01:
        return f"{value:g}"
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def hashed(name: str) -> bool:
    """Whether a condition is a hash, which tells a person nothing but that something differs."""
    return name.endswith("_settings") or name == "data_fingerprint"


def _of_hash(name: str, value: str) -> str:
    """What ``analysis.statistics.settings`` has put in the place of a hash; a hash that it left is cut short."""
    if " " in value:
        return value
    return f"{'data' if name == 'data_fingerprint' else _spaced(name)} {value[:8]}"


def _epochs(name: str, key: Mapping[str, Any]) -> str:
    if name == "train_epochs":
        return f"{_several(key[name], 'epoch')} of training"
    value = retraining_epochs(key)
    if _both_epochs(key):
        return f"{number(key['train_epochs'])} + {number(value)} epochs"
    return f"{_several(value, 'epoch')} of retraining" if value else "no retraining"


def _several(value: Any, noun: str) -> str:
    return f"{number(value)} {noun}{'s' if value != 1 else ''}"


def _both_epochs(key: Mapping[str, Any]) -> bool:
    return bool(key.get("train_epochs")) and key.get("retrain_epochs") is not None


def _spaced(name: str) -> str:
    return name.replace("_", " ").replace(".", " ")
