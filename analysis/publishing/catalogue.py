"""What can be published: the files of ``figures/`` and ``tables/``, by name, and the options each adds to its command.

A user's folder with such files adds to ours. Lists without importing, so that help is quick; knows no figure or table
by name.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from analysis.drawing import style
from analysis.publishing.numbers import CsvRow, runs_of
from pruneexp.errors import UserError, cause

Kind = Literal["figure", "table"]
#: Points of curves; those together with the points that searches asked for; their layers; how the weights of these are
#: distributed; measured forms of points; points of curves with what their runs tell of code, packages and machine, or
#: of answers, classes and masks; scores of points by epoch of retraining; what retraining did to points; sensitivity
#: scans.
Material = Literal[
    "points",
    "points and trials",
    "layers",
    "weights",
    "forms",
    "points with origins",
    "points with stability",
    "courses",
    "retrainings",
    "scans",
]
#: Commands that are neither a figure nor a table.
COMMANDS = ("list", "all", "compare", "report")
FOLDERS: Mapping[Kind, str] = {"figure": "figures", "table": "tables"}


class Publication(NamedTuple):
    """One figure or table. ``summary`` is the first line of its file's docstring, ``own`` the file of a user's.

    ``place`` is the module of what is no file of ``figures/`` or ``tables/``.
    """

    name: str
    kind: Kind
    summary: str
    own: Path | None = None
    place: str = ""

    def module(self) -> ModuleType:
        """The code.

        Raises:
            UserError: a user's file cannot be imported; says why.
        """
        if self.own is None:
            return importlib.import_module(self.place or f"analysis.{FOLDERS[self.kind]}.{self.name}")
        return loaded(self.own)

    def made_of(self) -> Material:
        """What its file declares as ``MADE_OF``; the points of curves where it declares nothing."""
        material: Material = getattr(self.module(), "MADE_OF", "points")
        return material

    def rows(self, made: Any) -> list[CsvRow]:
        """The rows of its CSV; those of a user's file may be named tuples."""
        return [row if isinstance(row, Mapping) else row._asdict() for row in self.module().rows(made)]

    def runs(self, made: Any, rows: Iterable[CsvRow]) -> tuple[str, ...]:
        """The ids of every run that had a say in what was made, sorted: by its file's ``runs``, else by its rows."""
        said = getattr(self.module(), "runs", None)
        return said(made) if said else tuple(sorted(runs_of(rows)))

    def own_code(self) -> bytes:
        """The content of a user's file, which decides what it makes; ours is known by all of this package."""
        return b"" if self.own is None else self.own.read_bytes()


def publications(plugins: Path | None = None) -> dict[str, Publication]:
    """Every figure and table by name, ours first, then those in the ``figures/`` and ``tables/`` of a user's folder.

    Raises:
        UserError: the user's folder has none, or one whose name is taken or whose code is no Python.
    """
    found = _listed(Path(__file__).parents[1], own=False)
    if plugins is None:
        return found
    added = _listed(plugins.expanduser(), own=True)
    if not added:
        raise UserError(f"--plugins {plugins}: there is neither a figures/NAME.py nor a tables/NAME.py in this folder.")
    if taken := sorted(added.keys() & {*found, *COMMANDS}):
        raise UserError(f"{added[taken[0]].own} has the name of one of ours: rename it.")
    return found | added


def _listed(root: Path, *, own: bool) -> dict[str, Publication]:
    found: dict[str, Publication] = {}
    for kind, folder in FOLDERS.items():
        for path in sorted(root.joinpath(folder).glob("[!_]*.py")):
            try:
                text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            except (SyntaxError, UnicodeDecodeError) as error:
                raise UserError(f"{path} is no Python: {error}") from error
            found[path.stem] = Publication(path.stem, kind, text.partition("\n")[0], path if own else None)
    return found


@cache
def loaded(path: Path) -> ModuleType:
    """The code of a user's figure or table.

    Raises:
        UserError: it cannot be imported, or lacks what every figure and table has.
    """
    place = importlib.util.spec_from_file_location(f"analysis_plugins.{path.parent.name}.{path.stem}", path)
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    try:
        place.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{path} cannot be imported: {cause(error)}") from error
    if missing := [name for name in ("data", "rows") if not hasattr(module, name)]:
        raise UserError(f"{path} lacks {', '.join(missing)}: docs/own.md says what a figure or table consists of.")
    return module


def options(data: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of a ``data`` function, with their annotations resolved."""
    hints = typing.get_type_hints(data, include_extras=True)
    parameters = inspect.signature(data).parameters
    return {
        name: parameter.replace(annotation=hints[name])
        for name, parameter in parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def makers(module: ModuleType) -> tuple[Callable[..., Any], ...]:
    """The functions whose keyword-only parameters are the options of a figure or table; a picture has its own."""
    return (module.data, style.pictures) if hasattr(module, "draw") else (module.data,)


def add_options(group: argparse._ArgumentGroup, functions: Iterable[Callable[..., Any]]) -> None:
    """Give the command each option once; ``Annotated[Literal[...], help]`` becomes choices, a bool a flag."""
    found: dict[str, inspect.Parameter] = {}
    for function in functions:
        found = {**options(function), **found}
    for name, parameter in found.items():
        kind, text = typing.get_args(parameter.annotation)[:2]
        text = f"{text} (default: {parameter.default})" if parameter.default not in ("", False) else text
        text = text.replace("%", "%%")  # argparse fills % in
        flag = f"--{name.replace('_', '-')}"
        if kind is bool:
            group.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=text)
        elif typing.get_origin(kind) is Literal:
            choices = typing.get_args(kind)
            group.add_argument(flag, choices=choices, default=argparse.SUPPRESS, help=text, metavar="|".join(choices))
        else:
            group.add_argument(flag, type=kind, default=argparse.SUPPRESS, help=text, metavar=_METAVARS.get(kind))


def only(given: Mapping[str, Any], maker: Callable[..., Any]) -> dict[str, Any]:
    """Those of the given options that a function takes."""
    known = options(maker)
    return {name: value for name, value in given.items() if name in known}


def chosen(module: ModuleType, given: argparse.Namespace) -> dict[str, Any]:
    """The options that this module, or the picture it makes, understands, of those given."""
    known = [name for maker in makers(module) for name in options(maker)]
    return {name: getattr(given, name) for name in known if hasattr(given, name)}


_METAVARS = {str: "TEXT", int: "NUMBER", float: "NUMBER"}
