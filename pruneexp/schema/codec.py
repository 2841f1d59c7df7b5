"""Records to flat names and values, and back; knows nothing of the meaning of a record."""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import json
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

Record = TypeVar("Record")


class _Field(NamedTuple):
    """One field of a record: ``hint`` is its type without ``None``; ``nested`` is true if that is a record itself.

    ``spread`` is true of a mapping from names to numbers, whose items stand beside the other fields.
    """

    name: str
    hint: Any
    nested: bool
    spread: bool
    optional: bool
    required: bool


def flatten(record: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested dataclasses into ``{"budget.kind": "density", ...}``, without absent (``None``) values."""
    flat: dict[str, Any] = {}
    for field in _fields(typing.cast(Any, type(record))):
        value = getattr(record, field.name)
        if value is None:
            continue
        name = prefix + field.name
        if field.nested:
            flat |= flatten(value, name + ".")
        elif field.spread:
            for inner, number in value.items():
                flat[prefix + inner] = number
        else:
            flat[name] = value
    return flat


def unflatten(kind: type[Record], flat: Mapping[str, Any], prefix: str = "") -> Record:
    """Inverse of ``flatten``, also for values stored as text (MLflow params) or floats (MLflow metrics).

    Raises:
        KeyError: a required value is missing; the message names it.
        ValueError: a value cannot be read as the declared type.
    """
    return _unflatten(kind, flat, prefix, _by_beginning(tuple(flat)))


def _unflatten(
    kind: type[Record], flat: Mapping[str, Any], prefix: str, beginnings: Mapping[str, tuple[str, ...]]
) -> Record:
    """As ``unflatten``; ``beginnings`` are those of ``flat``."""
    values: dict[str, Any] = {}
    fields = _fields(typing.cast(Any, kind))
    for field in fields:
        name = prefix + field.name
        if field.spread:
            names = _beside(typing.cast(Any, kind), prefix, beginnings.get(prefix, ()))
            values[field.name] = {inner: float(flat[name]) for inner, name in names}
        elif field.nested:
            below = name + "."
            absent = field.optional and below not in beginnings
            values[field.name] = None if absent else _unflatten(field.hint, flat, below, beginnings)
        elif name in flat:
            values[field.name] = _read(field.hint, flat[name])
        elif field.optional:
            values[field.name] = None
        elif field.required:
            raise KeyError(name)
    return kind(**values)


@functools.lru_cache(256)  # thousands of records have the same names
def _by_beginning(names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Names by each of their beginnings that end in a dot, and by the empty one."""
    found: dict[str, list[str]] = {"": list(names)}
    for name in names:
        for place, letter in enumerate(name):
            if letter == ".":
                found.setdefault(name[: place + 1], []).append(name)
    return {beginning: tuple(within) for beginning, within in found.items()}


@functools.lru_cache(4096)
def _beside(kind: Any, prefix: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Of these names, those in a spread field: all with the prefix that no other field has, without it and with it."""
    taken = {field.name for field in _fields(kind)}
    found = ((name.removeprefix(prefix), name) for name in names if name.startswith(prefix))
    return tuple((inner, name) for inner, name in found if inner not in taken and "." not in inner)


def flat_names(kind: Any) -> tuple[str, ...]:
    """Every name that ``flatten`` can give a record of this kind, also of absent values, in the order of its fields.

    The names in a mapping of numbers are those of the record, and none of its kind's.
    """
    return tuple(flat_types(kind))


@functools.cache
def flat_types(kind: Any, prefix: str = "") -> Mapping[str, type]:
    """The type of the value under each name of ``flat_names``; of a ``Literal``, the type of its values."""
    found: dict[str, type] = {}
    for field in _fields(kind):
        name = prefix + field.name
        if field.nested:
            found |= flat_types(field.hint, f"{name}.")
        elif not field.spread:
            literals = typing.get_args(field.hint)
            found[name] = type(literals[0]) if literals else field.hint
    return found


def flat_defaults(kind: Any, prefix: str = "") -> dict[str, Any]:
    """The value that ``unflatten`` takes for an absent one, by name; required names are left out."""
    found: dict[str, Any] = {}
    for field, declared in zip(_fields(kind), dataclasses.fields(kind), strict=True):
        name = prefix + field.name
        if field.nested and field.optional:
            found |= dict.fromkeys(flat_types(field.hint, f"{name}."))
        elif field.nested:
            found |= flat_defaults(field.hint, f"{name}.")
        elif not field.required and not field.spread:
            found[name] = declared.default
    return found


@functools.cache  # without the cache, the annotations take 16 of 18 s for 10,000 points
def _fields(kind: Any) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(_field(field, hints[field.name]) for field in dataclasses.fields(kind))


def _field(field: dataclasses.Field[Any], hint: Any) -> _Field:
    optional = isinstance(hint, types.UnionType)
    if optional:
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    required = field.default is dataclasses.MISSING
    spread = typing.get_origin(hint) is collections.abc.Mapping
    return _Field(field.name, hint, dataclasses.is_dataclass(hint), spread, optional, required)


def names_text(names: Iterable[str]) -> str:
    """Names of layers as one text: a JSON list, because a name may hold a comma, a quote or a space."""
    return json.dumps(list(names), ensure_ascii=False)


def names_of(text: str) -> tuple[str, ...]:
    """Inverse of ``names_text``; also reads the names of earlier records, which commas join.

    Raises:
        ValueError: the text begins like a JSON list, but is none.
    """
    if text.startswith("["):
        return tuple(map(str, json.loads(text)))
    return tuple(name for name in text.split(",") if name)


def _read(hint: Any, value: Any) -> Any:
    if hint is float or hint is str:
        return hint(value)
    if typing.get_origin(hint) is tuple:
        return names_of(value) if isinstance(value, str) else tuple(value)
    if hint is int:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError(f"{value!r} is not a whole number")
        return int(value)
    if typing.get_origin(hint) is Literal:
        if value not in typing.get_args(hint):
            raise ValueError(f"{value!r} is none of {', '.join(map(repr, typing.get_args(hint)))}")
        return value
    return hint(value)
