"""Every key, as ``docs/configuration.md`` has it: one source for that page and for ``--help``. Knows no Hydra."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pruneexp.errors import UserError

#: Where the page lies: inside an installed package, then beside it in a checkout.
PAGES = tuple(Path(__file__).parents[up] / "docs/configuration.md" for up in (1, 2))

_ROW = re.compile(r"^\| (?P<keys>`[^|]*`) \| [^|]* \| (?P<meaning>[^|]*) \|$", re.MULTILINE)
#: A line of a YAML file with a comment behind its key.
_COMMENTED = re.compile(r"^ *(\w+):.*? # (.*)$", re.MULTILINE)
#: Where the few words end that help shows of a meaning.
_MORE = re.compile(r"[;:] |\. | \(")
#: What a shell would read itself.
_QUOTED = re.compile(r"[\[\]{}()*<>;&|$ ]")
_INDENT = 38


@cache
def meanings() -> Mapping[str, str]:
    """What each key means in a few words: those of its row on the page before the first ``;``, ``:``, ``.`` or ``(``.

    Raises:
        UserError: the installation lacks the page.
    """
    page = next((path for path in PAGES if path.is_file()), None)
    if page is None:
        raise UserError(f"The page of all keys is missing: looked for {' and '.join(map(str, PAGES))}")
    rows = _ROW.finditer(page.read_text(encoding="utf-8"))
    return {key: _brief(row["meaning"]) for row in rows for key in re.findall(r"`\+?([a-z][\w.]*)`", row["keys"])}


def _brief(meaning: str) -> str:
    return _MORE.split(meaning.replace("`", ""))[0].removesuffix(".")


def comments(file: Path, group: str) -> dict[str, str]:
    """What the comments of a YAML file say of the keys of its group."""
    return {f"{group}.{key}": said for key, said in _COMMENTED.findall(file.read_text(encoding="utf-8"))}


def help_lines(values: Mapping[str, Any], meanings: Mapping[str, str], width: int) -> Iterator[str]:
    """Lines of ``width`` columns for each key: how a command line sets it, and what it means."""
    for key, value in values.items():
        shown = setting(key, value)
        text = textwrap.wrap(meanings.get(key, ""), max(width - _INDENT, 30))
        if len(shown) >= _INDENT or not text:
            yield shown
            shown = ""
        for line in text:
            yield f"{shown:<{_INDENT}}{line}"
            shown = ""


def setting(key: str, value: Any) -> str:
    """``key=value`` as it is typed, in quotes where a shell would read brackets or braces itself."""
    word = f"{key}={_typed(value)}"
    return f"'{word}'" if _QUOTED.search(word) else word


def _typed(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}: {_typed(one)}' for key, one in value.items())}}}"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
