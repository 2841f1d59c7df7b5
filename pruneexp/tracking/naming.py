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
    """``lenet5 · l2 · one_shot · prune · seed 0`` from a flat identity; what is missing is left out."""
    return _joined(*(identity.get(part) for part in ("model", "reg", "schedule", "mode")), _seed(identity))


def point_name(identity: Mapping[str, Any]) -> str:
    """``l2 · one_shot · prune · d=0.10 · seed 0`` from a flat identity; ``q=1.50`` where the budget is a quality."""
    trial = f"trial {identity['trial']}" if identity.get("trial", -1) >= 0 else None
    return _joined(
        trial, *(identity.get(part) for part in ("reg", "schedule", "mode")), _budget(identity), _seed(identity)
    )


def group_name(identity: Mapping[str, Any], seeds: int) -> str:
    """``l2 · one_shot · prune · d=0.10 · layer_std · lenet5 · 3 seeds``: what repetitions have in common."""
    choices = [identity.get(part) for part in ("reg", "schedule", "mode")]
    others = [identity.get(part) for part in ("criterion", "model")]
    return _joined(*choices, _budget(identity), *others, "1 seed" if seeds == 1 else f"{seeds} seeds")


def scan_name(identity: Mapping[str, Any]) -> str:
    """``sensitivity · lenet5 · mnist5k · l2 · seed 0`` from a flat identity."""
    return _joined("sensitivity", *(identity.get(part) for part in ("model", "data", "reg")), _seed(identity))


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
