"""What can be published: the files of ``figures/`` and ``tables/``, by name, and the options each adds to its command.

Lists without importing, so that help is quick; knows no figure or table by name.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

Kind = Literal["figure", "table"]
#: Points of curves; those together with the points that searches asked for; their layers; sensitivity scans.
Material = Literal["points", "points and trials", "layers", "scans"]
FOLDERS: Mapping[Kind, str] = {"figure": "figures", "table": "tables"}


class Publication(NamedTuple):
    """One figure or table. ``summary`` is the first line of its file's docstring."""

    name: str
    kind: Kind
    summary: str

    def module(self) -> ModuleType:
        return importlib.import_module(f"analysis.{FOLDERS[self.kind]}.{self.name}")

    def made_of(self) -> Material:
        """What its file declares as ``MADE_OF``; the points of curves where it declares nothing."""
        material: Material = getattr(self.module(), "MADE_OF", "points")
        return material

    def is_shown(self) -> bool:
        """Whether its file declares ``SHOWN``: the table is printed to the terminal too."""
        return bool(getattr(self.module(), "SHOWN", False))


def publications(root: Path | None = None) -> dict[str, Publication]:
    """Every figure and table by name, figures first."""
    found: dict[str, Publication] = {}
    for kind, folder in FOLDERS.items():
        for path in sorted((root or Path(__file__).parents[1]).joinpath(folder).glob("[!_]*.py")):
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            found[path.stem] = Publication(path.stem, kind, text.partition("\n")[0])
    return found


def options(data: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a ``data`` function, with their annotations resolved."""
    hints = typing.get_type_hints(data, include_extras=True)
    parameters = inspect.signature(data).parameters
    return {
        name: parameter.replace(annotation=hints[name])
        for name, parameter in parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def add_options(group: argparse._ArgumentGroup, modules: Iterable[ModuleType]) -> None:
    """Give the command each option once; ``Annotated[Literal[...], help]`` becomes choices, other types convert."""
    known: set[str] = set()
    for module in modules:
        for name, parameter in options(module.data).items():
            if name in known:
                continue
            known.add(name)
            kind, text = typing.get_args(parameter.annotation)[:2]
            text = f"{text} (default: {parameter.default})"
            flag = f"--{name.replace('_', '-')}"
            if typing.get_origin(kind) is Literal:
                group.add_argument(flag, choices=typing.get_args(kind), default=argparse.SUPPRESS, help=text)
            else:
                group.add_argument(flag, type=kind, default=argparse.SUPPRESS, help=text, metavar=kind.__name__.upper())


def chosen(module: ModuleType, given: argparse.Namespace) -> dict[str, Any]:
    """The options that this module understands, of those given."""
    return {name: getattr(given, name) for name in options(module.data) if hasattr(given, name)}
