"""What tells records from each other, which a reader must see, and how that is put into words: ``λ = 1e-4``.

Knows no figure or table, and no record but by the names of its conditions; one without words of its own is put by its
name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from analysis.names import display_name
from pruneexp.schema import OF_A_MODE

#: The name of a choice that sets values which have names of their own.
RECIPE = "train"
#: What has no say in a network that has not been retrained yet.
RETRAINING = (
    "retrain_scope", "retrain_epochs", "retrain_lr_factor", "retrain_schedule", "reg_retrain_strength", *OF_A_MODE,
)  # fmt: skip
#: Conditions that are told only where the named ones do not decide them.
_FOLLOWS = {
    "reg_strength": ("reg",),
    "reg_retrain_strength": ("reg",),
    "reg_lr_factor": ("reg",),
    "rounds": ("schedule",),
    "path": ("schedule",),
    "min_keep": ("criterion",),
    "cap": ("mode",),
    "scaled_init": ("mode",),
    "small_init": ("mode",),
    "rewound_masks": ("mode",),
    "rewind_epoch": ("mode",),
    "metric.name": ("task",),
    "metric.unit": ("metric.name",),
    "metric.direction": ("metric.name",),
}
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
    "started_from": "from {}",
    "path": "budgets {}",
    "trainer": "{} trainer",
    "targets": "{} targets",
    "levels": "levels of {}",
    "experiment": "{}",
    "study": "study {}",
}


def varying(keys: Iterable[Mapping[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    """Those of ``names`` that have more than one value among ``keys``."""
    found = list(keys)
    return tuple(name for name in names if len({key[name] for key in found}) > 1)


def telling(keys: Iterable[Mapping[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    """Those of ``names`` that a reader needs to tell ``keys`` apart: what has a name, and a hash only where none does.

    What follows from others, as the strength of a penalty where each penalty has one, is left out, and so is the name
    of a recipe where its values say as much.
    """
    found = list(keys)
    needed = [name for name in varying(found, names) if not hashed(name) and not _follows(name, found)]
    for name in (name for name in names if hashed(name)):
        if kinds(found, needed) < kinds(found, (*needed, name)):
            needed.append(name)
    spoken = [name for name in needed if name != RECIPE]
    if kinds(found, spoken) == kinds(found, needed):
        needed = spoken
    return tuple(name for name in names if name in needed)


def telling_within(keys: Iterable[Mapping[str, Any]], names: Sequence[str], within: Sequence[str]) -> tuple[str, ...]:
    """Those of ``names``, in their order, that tell keys apart which agree in ``within``."""
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for key in keys:
        alike.setdefault(tuple(key[name] for name in within), []).append(key)
    needed = {name for same in alike.values() for name in telling(same, names)}
    return tuple(name for name in names if name in needed)


def cell(name: str, value: str) -> str:
    """One condition in a column that has its name."""
    return phrase(name, {name: value}) if hashed(name) and value != ABSENT else value


def headings(names: Iterable[str]) -> tuple[str, ...]:
    """The headings of columns that have these conditions."""
    return tuple(name.replace("_", " ") for name in names)


def cells(conditions: Iterable[tuple[str, str]], names: Iterable[str]) -> tuple[str, ...]:
    """The cells below these headings, as people write them; ``conditions`` are as ``texts`` gives them."""
    told = dict(conditions)
    return tuple(display_name(name, cell(name, told.get(name, ABSENT))) for name in names)


def texts(key: Mapping[str, Any], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Conditions as (name, text), in full; what is absent is left out."""
    return tuple((name, text(key[name])) for name in names if key[name] is not None)


def joined(conditions: Iterable[tuple[str, str]]) -> str:
    """``texts`` in one column of a table."""
    return "; ".join(f"{name}={value}" for name, value in conditions)


def text(value: Any) -> str:
    """A value of a condition: ``1e-05``, ``none`` where it is absent."""
    if value is None:
        return ABSENT
    return f"{value:g}" if isinstance(value, float) else str(value)


def _follows(name: str, keys: Sequence[Mapping[str, Any]]) -> bool:
    parents = _FOLLOWS.get(name, ())
    known = [parent for parent in parents if parent in keys[0]]
    return bool(known) and kinds(keys, known) == len({(*(key[one] for one in known), _own(key, name)) for key in keys})


def _own(key: Mapping[str, Any], name: str) -> Any:
    """A value, but for a strength in retraining that is that of training."""
    same = name == "reg_retrain_strength" and key[name] == key.get("reg_strength")
    return "the same" if same else key[name]


def kinds(keys: Sequence[Mapping[str, Any]], names: Iterable[str]) -> int:
    """How many of the keys differ in these names."""
    wanted = tuple(names)
    return len({tuple(key[name] for name in wanted) for key in keys})


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
    if (name, value) == ("started_from", None):
        return "from no file"
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
