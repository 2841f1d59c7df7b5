"""Words of a command line as Hydra's grammar reads them: texts quoted, and what people write mended."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import Quote, QuotedString

_CONFIG_DIR = "--config-dir="
#: A key, and a value without quotes or brackets that holds a ``~``, which the grammar does not know.
_TILDE = re.compile(r"([^=~]+=)([^'\"\[\]{}()]*~[^'\"\[\]{}()]*)")


def quoted(text: str) -> str:
    """``text`` as a quoted value of a command line; an interpolation in it stays one."""
    return QuotedString(text, Quote.single).with_quotes()


def readable(words: Sequence[str]) -> list[str]:
    """The same words: flags before overrides, as Hydra wants them, and quotes around values that hold a ``~``."""
    return [_mended(word) for word in sorted(words, key=_is_override)]


def _is_override(word: str) -> bool:
    """Whether a word is no flag, and not what follows a flag."""
    return not word.startswith("-") and ("=" in word or word.startswith("~"))


def _mended(word: str) -> str:
    if word.startswith(f"{_CONFIG_DIR}~"):  # a shell expands ~ at the beginning of words alone
        return f"{_CONFIG_DIR}{Path(word.removeprefix(_CONFIG_DIR)).expanduser()}"
    if found := _TILDE.fullmatch(word):
        return found[1] + ",".join(f"'{part}'" if "~" in part else part for part in found[2].split(","))
    return word
