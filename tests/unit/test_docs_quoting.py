"""What people copy works in every shell: arguments with brackets or braces stand in quotes, in zsh above all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pruneexp.config.groups import GROUPS
from pruneexp.config.skeleton import conf_folder
from pruneexp.config.sweep import HELP
from sweeps.compose import HELP as SWEEPS_HELP

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHIPPED = [*sorted(conf_folder().rglob("*.yaml")), *sorted((ROOT / "sweeps").glob("*.yaml"))]
SOURCES = [path for room in ("pruneexp", "sweeps", "analysis", "hydra_plugins") for path in (ROOT / room).rglob("*.py")]

#: An argument whose value begins with a bracket or brace, or a key that is left out, with no quote before it.
BARE = re.compile(
    rf"(?<!['\w.+~/@])(?:\+*(?:[a-z_]+\.[a-z_.]+|{'|'.join(GROUPS)}|seed)=[\[{{]|~(?:{'|'.join(GROUPS)})\b)"
)
#: What a sentence tells people to write: a value in brackets behind these words.
TOLD = re.compile(r"\b(?:as in|such as|write|add|with) (?:[\w./]*\.)?[\w/]*=[\[{]")


def comments(path: Path) -> str:
    """The comments of a YAML file."""
    return "\n".join(line.partition("#")[2] for line in path.read_text(encoding="utf-8").splitlines())


def sentences(path: Path) -> Iterator[str]:
    """The texts of a module, with an X for each value in them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_quote_what_a_shell_would_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [text[found.start() : found.start() + 40] for found in BARE.finditer(text)] == []


def test_comments_of_shipped_files_quote_it() -> None:
    texts = {path.name: comments(path) for path in SHIPPED}
    assert any("'criterion.layers=[" in text for text in texts.values())
    assert [name for name, text in texts.items() if BARE.search(text)] == []


def test_help_quotes_it() -> None:
    assert "'curve.densities=[0.2,0.05]'" in HELP
    assert "'study.seeds=[0,1,2]'" in SWEEPS_HELP
    assert [text for text in (HELP, SWEEPS_HELP) if BARE.search(text)] == []


def test_sentences_tell_people_to_write_it_in_quotes() -> None:
    texts = [text for path in SOURCES for text in sentences(path)]
    assert any("such as 'X=[0.5]'" in text for text in texts)
    assert [text for text in texts if TOLD.search(text)] == []


@pytest.mark.parametrize(
    ("text", "is_bare"),
    [
        ("python -m pruneexp curve.densities=[0.5]", True),
        ("`+criterion.allocation.scale={fc3: 2}`", True),
        ("`~train` leaves it out", True),
        ("reg=[l1,l2]", True),
        ("python -m pruneexp 'curve.densities=[0.5]' seed=1", False),
        ("`'+criterion.allocation.scale={fc3: 2}'` `'~train'`", False),
        ('points("x", where={"reg": "l1"}, Score(metrics={"mse": 1}))', False),
    ],
)
def test_what_counts_as_bare(text: str, is_bare: bool) -> None:
    assert bool(BARE.search(text)) is is_bare
