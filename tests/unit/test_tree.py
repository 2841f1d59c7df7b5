"""What a newcomer may count on: unique names, short functions, and a word in CONTRIBUTING for every room."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ("pruneexp", "sweeps", "analysis", "hydra_plugins")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@cache
def sources() -> dict[str, str]:
    """The text of every Python file of the source, by its path from the root."""
    paths = (path for room in SOURCE for path in sorted((ROOT / room).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for name, text in sources().items():
        for node in ast.walk(ast.parse(text)):
            yield name, node


def test_no_class_name_is_used_twice() -> None:
    names = Counter(node.name for _, node in nodes() if isinstance(node, ast.ClassDef))
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []


def test_no_function_is_long() -> None:
    functions = [(name, node) for name, node in nodes() if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert len(functions) > 1000
    long = [f"{name}: {node.name}" for name, node in functions if (node.end_lineno or 0) - node.lineno >= 50]
    assert long == []


def test_contributing_says_what_every_long_file_is_for() -> None:
    long = [name for name, text in sources().items() if len(text.splitlines()) > 100]
    assert [name for name in long if f"| `{name}` | " not in CONTRIBUTING] == []
    listed = re.findall(r"^\| `([\w/.]+\.py)` \| ", CONTRIBUTING, re.MULTILINE)
    assert [name for name in listed if name not in long] == []


def test_contributing_names_every_room() -> None:
    tree = CONTRIBUTING.partition("## Tree")[2].partition("```\n")[2].partition("```\n")[0]
    rooms = [path.name for room in SOURCE for path in (ROOT / room).iterdir() if (path / "__init__.py").is_file()]
    assert [room for room in rooms if f"{room}/" not in tree and not room.startswith("pruneexp_")] == []
    files = [path.stem for path in (ROOT / "pruneexp").glob("[!_]*.py")]
    assert [name for name in files if not re.search(rf"\b{name}\b", tree)] == []


def test_prose_names_its_actors() -> None:
    vague = re.compile(r"\b(whoever|whatever|whomever)\b", re.IGNORECASE)
    assert [name for name, text in sources().items() if vague.search(text)] == []
