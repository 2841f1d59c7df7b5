"""What a typed key of the skeleton takes, and what a person meant by a value of another kind. Knows no Hydra."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pruneexp.config.keys import setting
from pruneexp.config.skeleton import Config
from pruneexp.errors import guess

_NUMBER = re.compile(r"(-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?)(%?)")
_SPAN = re.compile(r"(\d+)(?:-|:|\.\.+)(\d+)")
_GPU = re.compile(r"(?:cuda|gpu):?(\d+)")
_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_NULLS = ("none", "nan", "nil")


def type_of(key: str) -> Any:
    """The annotation of a key of the skeleton; ``Any`` for one that it leaves open."""
    hint: Any = Config
    for part in key.split("."):
        hint = get_type_hints(hint).get(part, Any) if is_dataclass(hint) else Any
    return hint


def is_list(key: str) -> bool:
    """Whether a key of the skeleton takes a list."""
    return get_origin(_without_null(type_of(key))) is list


def wrong_value(key: str, text: str) -> str | None:
    """What a key of the skeleton takes instead of this, with what was meant by it; None for a key that is open."""
    hint = _without_null(type_of(key))
    if hint is Any:
        return None
    if is_dataclass(hint):
        held = ", ".join(f"{key}.{each.name}" for each in fields(hint))
        return f"{key}={text}: {key} has no value of its own; its keys are {held}"
    null = ", or null" if hint != type_of(key) else ""
    return f"{key}={text}: allowed is {_allowed(hint)}{null}{_meant(key, text, hint, nullable=bool(null))}"


def as_list(key: str, text: str) -> str:
    """The words of a command line that set a key to a list of what stands in a text: numbers, or names."""
    if get_args(_without_null(type_of(key))) == (float,):
        return setting(key, [float(number) / (100 if percent else 1) for number, percent in _NUMBER.findall(text)])
    return setting(key, [part for part in re.split(r"[\s,;\[\](){}'\"]+", text) if part])


def several_values(key: str, text: str) -> str | None:
    """What was meant by values with commas between them, where they are one value: a list, or a decimal number."""
    if is_list(key):
        return f"allowed is a list; write {as_list(key, text)}"
    if _without_null(type_of(key)) is float and (decimal := re.fullmatch(r"(-?\d+),(\d+)", text)):
        return f"a number has a point, {key}={decimal[1]}.{decimal[2]}; of two values, -m runs a job for each"
    return None


def _without_null(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        return next(each for each in get_args(hint) if each is not type(None))
    return hint


def _allowed(hint: Any) -> str:
    if get_origin(hint) is list:
        return "a list of numbers" if get_args(hint) == (float,) else "a list"
    if issubclass(hint, Enum):
        return f"one of {', '.join(each.name for each in hint)}"
    return _NAMES[hint]


def _meant(key: str, text: str, hint: Any, *, nullable: bool) -> str:
    """What was meant by a value, as the end of a sentence; nothing where that cannot be told."""
    numbers = _NUMBER.findall(text)
    if nullable and text.lower() in _NULLS:
        return f"; write {key}=null"
    if get_origin(hint) is list and (numbers or get_args(hint) == (str,)):
        return f"; write {as_list(key, text)}"
    if hint is int:
        return _jobs(key, text)
    if hint is float and len(numbers) == 1:
        return f"; write {setting(key, float(numbers[0][0]) / (100 if numbers[0][1] else 1))}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        chosen = _GPU.fullmatch(text)
        gpu = f"; CUDA_VISIBLE_DEVICES={chosen[1]} before the command chooses the GPU" if chosen else ""
        return gpu or guess("cuda" if text.lower() == "gpu" else text, [each.name for each in hint])
    return ""


def _jobs(key: str, text: str) -> str:
    """How a job is run for each of several whole numbers, where a text holds them."""
    if span := _SPAN.fullmatch(text):
        return f"; -m '{key}=range({span[1]},{int(span[2]) + 1})' runs a job for each"
    if re.fullmatch(r"[\[( ]*\d+([, ]+\d+)+[\]) ]*", text):
        return f"; -m {key}={','.join(re.findall(r'[0-9]+', text))} runs a job for each"
    return ""
