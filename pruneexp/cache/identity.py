"""Identity of results: a stage's name, version, full configuration, parents and data become one key.

Knows neither torch nor the disk, so that a plan can be made before anything heavy is imported.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Part of every key: raising it makes every stored result unreachable, on purpose.
SCHEME = 1

_KEY = re.compile(r"[0-9a-f]{64}")


def canonical(value: Any) -> str:
    """One text per value: ASCII JSON without spaces, mappings sorted by key, tuples as lists, floats by ``repr``.

    Numbers are told apart by value and not by type: 1, 1.0 and 1e0 are one text, because a configuration that says
    ``lr=1`` in one file and ``lr=1.0`` in another means the same training. ``True`` and ``1`` stay distinct.

    Raises:
        ValueError: not-a-number, infinity, a key that is no string, or a type that JSON lacks; names where it stands.
    """
    return json.dumps(_walk(value, "", _by_value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain(value: Any) -> Any:
    """Copy of a JSON-able value in dicts and lists, numbers as they are (infinities included).

    Raises:
        ValueError: a key that is no string, or a type that JSON lacks; names where it stands.
    """
    return _walk(value, "", lambda number, path: float(number))


def stage_key(name: str, version: int, config: Mapping[str, Any], parents: Sequence[str], data: str = "") -> str:
    """Key of a stage's result: 64 hexadecimal digits (SHA-256).

    ``config`` holds the full resolved values of everything that can change a number of this stage, defaults included;
    ``parents`` the keys of the stages it builds upon, in the stage's own order; ``data`` the data set's fingerprint.
    Raising ``version`` makes earlier results of this stage unreachable.

    Raises:
        ValueError: ``parents`` holds something that is no key, or ``config`` a value without canonical text.
    """
    if isinstance(parents, str):
        raise ValueError(f"parents must be a sequence of keys, not the text {parents!r}")
    identity = {
        "scheme": SCHEME,
        "stage": name,
        "version": version,
        "config": config,
        "parents": [checked(parent) for parent in parents],
        "data": data,
    }
    return hashlib.sha256(canonical(identity).encode()).hexdigest()


def checked(key: str) -> str:
    """The key itself.

    Raises:
        ValueError: it is not 64 lower-case hexadecimal digits, and so must not become a file name.
    """
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"a key is 64 lower-case hexadecimal digits as stage_key makes them, not {key!r}")
    return key


def short(key: str) -> str:
    """The first eight digits: enough for a person to tell results apart, never used to find one."""
    return key[:8]


def _by_value(number: float, path: str) -> int | float:
    if not math.isfinite(number):
        raise ValueError(f"{path or 'the value'} is {number}, which has no place in an identity; use a finite number")
    return int(number) if number.is_integer() else float(number)


def _walk(value: Any, path: str, real: Callable[[float, str], int | float]) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return real(value, path)
    if isinstance(value, list | tuple):
        return [_walk(item, f"{path}[{place}]", real) for place, item in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"{path or 'the value'} has the key {key!r}, but keys must be strings")
        return {key: _walk(item, f"{path}.{key}" if path else key, real) for key, item in value.items()}
    raise ValueError(
        f"{path or 'the value'} is of type {type(value).__name__}, but only None, bool, int, float, str, lists and "
        f"mappings can be recorded"
    )
