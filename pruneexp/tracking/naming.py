"""Names and texts that fit MLflow: readable run names, legal keys, values within its limits.

Pure functions on strings; knows neither MLflow's client nor a store.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from pruneexp.schema import Budget

#: Limits of MLflow 3 (``mlflow/utils/validation.py``), and of the column that holds a run's name.
PARAM_LIMIT = 6000
TAG_LIMIT = 8000
KEY_LIMIT = 250
NAME_LIMIT = 250

_ILLEGAL = re.compile(r"[^\w\-./ ]")


def curve_name(identity: Mapping[str, Any]) -> str:
    """``l2 · one_shot · prune · layer_std · seed 0 · lenet5 · mnist5k`` from a flat identity, as far as it goes.

    What tells curves of one experiment apart comes first: lists and legends cut the ends of names off.
    """
    return _joined(*_choices(identity), identity.get("criterion"), _seed(identity), *_subject(identity))


def point_name(identity: Mapping[str, Any]) -> str:
    """``d=0.10 · l2 · one_shot · prune · seed 0`` from a flat identity; ``q=1.50`` where the budget is a quality."""
    trial = f"trial {identity['trial']}" if identity.get("trial", -1) >= 0 else None
    return _joined(trial, _budget(identity), *_choices(identity), _seed(identity))


def group_name(identity: Mapping[str, Any], seeds: int) -> str:
    """What repetitions have in common, with the numbers of each choice, by which a legend tells lines apart.

    ``d=0.10 · l2 0.0005 · iterative 5 · prune · layer_std · lenet5 · lr 0.01 · batch 64 · epochs 20 + 10 · 3 seeds``.
    """
    choices = [
        _with(identity, "reg", "{}", "reg_strength", _second_strength(identity)),
        _with(identity, "schedule", "{}", "rounds" if identity.get("schedule") != "one_shot" else ""),
        _with(identity, "mode", "cap {}", "cap"),
    ]
    epoch = f"epoch {identity['rewind_epoch']}" if identity.get("rewind_epoch") else None
    drawn = [name for name in ("scaled_init", "small_init", "rewound_masks") if identity.get(name) == "true"]
    start = f"from {identity['started_from']}" if identity.get("started_from") else None
    return _joined(
        _budget(identity), *choices, epoch, *drawn, start, *(identity.get(part) for part in ("criterion", "model")),
        *_training(identity), "1 seed" if seeds == 1 else f"{seeds} seeds",
    )  # fmt: skip


def scan_name(identity: Mapping[str, Any]) -> str:
    """``lenet5 · l2 · seed 0 · mnist5k · sensitivity`` from a flat identity."""
    return _joined(*map(identity.get, ("model", "reg")), _seed(identity), identity.get("data"), "sensitivity")


def legal_key(key: str) -> str:
    """``key`` itself where MLflow takes it, else a legal one that ends in a hash, so that two keys never become one."""
    legal = "/".join(part for part in _ILLEGAL.sub("_", key).split("/") if part.strip("."))
    legal = f"_{legal}" if legal.startswith("..") else legal
    if legal == key and len(key) <= KEY_LIMIT:
        return key
    return f"{legal[: KEY_LIMIT - 9]}-{_digest(key)[:8]}"


def within(text: str, limit: int) -> str:
    """``text`` itself, or its beginning and the hash of the whole, in ``limit`` characters."""
    if len(text) <= limit:
        return text
    ending = f" ... [cut, sha256 {_digest(text)[:16]}]"
    return text[: limit - len(ending)] + ending


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _joined(*parts: object) -> str:
    return within(" · ".join(str(part) for part in parts if part is not None), NAME_LIMIT)


def _with(identity: Mapping[str, Any], choice: str, put: str, *names: str) -> str | None:
    """A choice and its numbers, those that are there and not 0."""
    if choice not in identity:
        return None
    numbers = (float(identity[name]) for name in names if identity.get(name) is not None)
    return " ".join((str(identity[choice]), *(put.format(f"{number:g}") for number in numbers if number)))


def _second_strength(identity: Mapping[str, Any]) -> str:
    """The name of the penalty's strength in retraining, where it is another one than in training."""
    first, second = (str(identity.get(name)) for name in ("reg_strength", "reg_retrain_strength"))
    return "reg_retrain_strength" if first != second else ""


def _training(identity: Mapping[str, Any]) -> tuple[str, ...]:
    """How a network was trained, as far as it is known."""
    if identity.get("train_lr") is None:
        return ()
    rate = float(identity["train_lr"]) * float(identity.get("reg_lr_factor") or 1)
    epochs = f"{identity.get('train_epochs')} + {identity.get('retrain_epochs')}"
    return f"lr {rate:g}", f"batch {identity.get('batch_size')}", f"epochs {epochs}"


def _choices(identity: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(map(identity.get, ("reg", "schedule", "mode")))


def _subject(identity: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(map(identity.get, ("model", "data")))


def _budget(identity: Mapping[str, Any]) -> str | None:
    if "budget.kind" not in identity or "budget.value" not in identity:
        return None
    budget = Budget(identity["budget.kind"], float(identity["budget.value"]))
    return f"{budget.letter}={_short(budget.value)}"


def _seed(identity: Mapping[str, Any]) -> str | None:
    return f"seed {identity['seed']}" if "seed" in identity else None


def _short(value: float) -> str:
    """At least two decimals, at most four significant digits: 0.10, 0.125, 0.0025."""
    fixed = f"{value:.2f}"
    return fixed if float(fixed) == value else f"{value:.4g}"
