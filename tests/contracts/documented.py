"""The examples of a page of docs/, as a reader would run them: blocks of four spaces, commands or Python."""

from __future__ import annotations

import shlex
import textwrap
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def examples(page: str) -> list[str]:
    """The indented blocks of a page, in order, without their indentation; a blank line within one belongs to it."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    kinds = [line.startswith("    ") or (not line and _between(lines, place)) for place, line in enumerate(lines)]
    grouped = groupby(zip(kinds, lines, strict=True), key=lambda pair: pair[0])
    blocks = ("\n".join(line for _, line in group) for indented, group in grouped if indented)
    return [textwrap.dedent(block) for block in blocks]


def _between(lines: list[str], place: int) -> bool:
    """Whether a blank line stands within Python: between indented lines, the first of which is no command."""
    before = next((line for line in reversed(lines[:place]) if line), "")
    after = next((line for line in lines[place:] if line), "")
    return before.startswith("    ") and after.startswith("    ") and not before.startswith("    python -m ")


def commands(block: str) -> list[list[str]]:
    """The words of each ``python -m PROGRAM`` of a block, remarks left out; nothing where it is Python."""
    lines = block.splitlines()
    if not all(line.startswith("python -m ") for line in lines):
        return []
    return [shlex.split(line, comments=True)[2:] for line in lines]
