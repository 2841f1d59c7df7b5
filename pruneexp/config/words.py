"""Words of a command line as Hydra's grammar reads them: texts quoted, and what people write mended."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import OverrideParseException

_CONFIG_DIR = "--config-dir="
#: Flags of Hydra's with a word after them.
_TAKES_A_WORD = ("--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn", "--package", "-p", "--cfg",
                 "-c", "--info", "-i", "--experimental-rerun")  # fmt: skip
_QUOTED_KEY = re.compile(r"([{,]\s*)(['\"])([\w.]+)\2(?=\s*:)")
_STRUCTURED = re.compile(r"['\"\[\]{}()]")


def quoted(text: str) -> str:
    """``text`` as a quoted value of a command line; an interpolation in it stays one."""
    return QuotedString(text, Quote.single).with_quotes()


def readable(words: Sequence[str]) -> list[str]:
    """The same words: flags first, quotes around values that hold a ``~``, and none around the keys of mappings."""
    first: list[str] = []
    rest: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word in _TAKES_A_WORD:
            first += [word, *itertools.islice(remaining, 1)]
        else:
            (first if word.startswith("-") else rest).append(_readable(word))
    return [*first, *rest]


def _readable(word: str) -> str:
    if word.startswith(f"{_CONFIG_DIR}~"):  # a shell expands ~ at the beginning of words alone
        return f"{_CONFIG_DIR}{Path(word.removeprefix(_CONFIG_DIR)).expanduser()}"
    key, equals, value = word.partition("=")
    if word.startswith("-") or not equals or _parses(word):
        return word
    if _STRUCTURED.search(value):
        mended = _QUOTED_KEY.sub(r"\1\3", value)
    else:
        mended = ",".join(f"'{part}'" if "~" in part else part for part in value.split(","))
    return f"{key}={mended}" if _parses(f"{key}={mended}") else word


def _parses(word: str) -> bool:
    try:
        OverridesParser.create().parse_overrides([word])
    except OverrideParseException:
        return False
    return True
