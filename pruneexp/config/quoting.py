"""Text as Hydra's grammar takes it: between quotes, with what would end them escaped."""

from __future__ import annotations

import re

#: What must be escaped between quotes: a quote, and the backslashes before one.
_QUOTE = re.compile(r"(\\*)('|\Z)")


def quoted(text: str) -> str:
    """``text`` as a quoted value of a command line; an interpolation in it stays one."""
    return f"'{_QUOTE.sub(_escaped, text)}'"


def _escaped(match: re.Match[str]) -> str:
    return match[1] * 2 + ("\\'" if match[2] else "")
