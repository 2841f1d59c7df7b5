"""What tells records from each other: which conditions a reader must see. ``wording`` puts them into words.

Knows no figure or table, and no record but by the names of its conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.names import display_name
from analysis.statistics.wording import ABSENT, hashed, phrase, words
from pruneexp.schema import OF_A_MODE

__all__ = [
    "ABSENT",
    "RETRAINING",
    "cell",
    "cells",
    "hashed",
    "headings",
    "joined",
    "kinds",
    "phrase",
    "telling",
    "telling_within",
    "text",
    "texts",
    "varying",
    "words",
]

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
    "rewind_epoch": ("mode",),
    "metric.name": ("task",),
    "metric.unit": ("metric.name",),
    "metric.direction": ("metric.name",),
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
