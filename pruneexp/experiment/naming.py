"""Names of layers as text, wherever the signature of an allocation asks for text.

The layers of a bare ``nn.Sequential`` are called "1" or "3.0", which YAML and Hydra read as numbers.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object

from pruneexp.errors import UserError
from pruneexp.pruning.allotment import layer_name


def name_layers(node: Mapping[str, Any], layers: Collection[str], path: str) -> dict[str, Any]:
    """A node with a ``_target_`` in which what its signature says is text is text, by the names of ``layers``.

    Raises:
        UserError: a value stands where a list or a mapping of names belongs, or could be either of two layers.
    """
    hints = _hints(node["_target_"])
    return {
        key: _as_text(value, hints[key], layers, f"{path}.{key}") if key in hints else value
        for key, value in node.items()
    }


def _hints(target: str) -> dict[str, Any]:
    """The types of a target's parameters; none where they cannot be told."""
    found = get_object(target)
    try:
        return get_type_hints(found.__init__ if isinstance(found, type) else found)  # type: ignore[misc]
    except (NameError, TypeError, AttributeError):  # imported for type checkers alone, or no function at all
        return {}


def _as_text(value: Any, hint: Any, layers: Collection[str], where: str) -> Any:
    if isinstance(value, dict):
        for key_hint, value_hint in _arguments(hint, Mapping):
            keys = {key: _as_text(key, key_hint, layers, where) for key in value}
            return {keys[key]: _as_text(each, value_hint, layers, where) for key, each in value.items()}
    elif isinstance(value, list):
        for arguments in _arguments(hint, Collection):
            return [_as_text(each, arguments[0], layers, where) for each in value]
    elif str in _kinds(hint):
        return layer_name(value, layers, where)
    elif value is None and any((*_arguments(hint, Mapping), *_arguments(hint, Collection))):
        if type(None) not in _kinds(hint):
            raise UserError(f"{where}=null: allowed is a list or a mapping of layers, [] or {{}} for none")
    elif value is not None and any(_arguments(hint, Mapping)):
        raise UserError(f"{where}={value}: allowed is a mapping, as in '{where}={{{next(iter(layers))}: 0.5}}'")
    elif value is not None and any(str in _kinds(each[0]) for each in _arguments(hint, Collection)):
        raise UserError(f"{where}={value}: allowed is a list of names, as in '{where}=[{value}]'")
    return value


def _arguments(hint: Any, kind: type) -> Iterator[tuple[Any, ...]]:
    """What the collections of this kind, among the types that ``hint`` allows, hold; strings are none."""
    for each in _kinds(hint):
        origin = get_origin(each)
        mapping = isinstance(origin, type) and issubclass(origin, Mapping)
        if isinstance(origin, type) and issubclass(origin, kind) and mapping == (kind is Mapping) and get_args(each):
            yield get_args(each)


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
