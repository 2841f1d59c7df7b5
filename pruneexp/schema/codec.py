"""Records to flat names and values, and back; knows nothing of what a record means."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

Record = TypeVar("Record")


def flatten(record: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested dataclasses into ``{"budget.kind": "density", ...}``; absent (``None``) values are left out."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        name = prefix + field.name
        if dataclasses.is_dataclass(value):
            flat |= flatten(value, name + ".")
        elif value is not None:
            flat[name] = value
    return flat


def unflatten(kind: type[Record], flat: Mapping[str, Any], prefix: str = "") -> Record:
    """Inverse of ``flatten`` for values that went through text (MLflow params) or floats (MLflow metrics).

    Raises:
        KeyError: a required value is missing; the message names it.
        ValueError: a value cannot be read as the declared type.
    """
    hints = _hints(typing.cast(Any, kind))
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        name, hint = prefix + field.name, hints[field.name]
        optional = isinstance(hint, types.UnionType)
        if optional:
            hint = next(a for a in typing.get_args(hint) if a is not types.NoneType)
        if dataclasses.is_dataclass(hint):
            if optional and not any(key.startswith(name + ".") for key in flat):
                values[field.name] = None
            else:
                values[field.name] = unflatten(typing.cast(Any, hint), flat, name + ".")
        elif name in flat:
            values[field.name] = _read(hint, flat[name])
        elif optional:
            values[field.name] = None
        elif field.default is dataclasses.MISSING:
            raise KeyError(name)
    return kind(**values)


@functools.cache  # resolving annotations anew for every record takes 11 of the 13 s that 5,000 points need
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(hint: Any, value: Any) -> Any:
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, typing.get_args(hint)))}")
        return value
    if hint is int:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(f"{value!r} is not a whole number")
        return int(value)
    return hint(value)
