"""The user's code as part of an identity: the modules that a target is made of, each with the digest of its file.

Follows import statements without running anything. What Python's installation, torch and this project hold is no part
of it, as records name their versions; an installed package is, once the user allows it by name.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.utils import get_object

import pruneexp
from pruneexp.config.checks import is_known
from pruneexp.stages.parts import SOURCES

_CHECKOUT = Path(pruneexp.__file__).parents[1]
_OURS = ("pruneexp", "sweeps", "analysis", "hydra_plugins")
_CODE = (".py", ".so", ".pyd")


@dataclass(frozen=True)
class _Module:
    digest: str
    imports: frozenset[str] = frozenset()


def described(node: Any, allowed: Sequence[str]) -> Any:
    """Plain values, and beside each ``_target_`` that is not ours the digests of its code.

    ``allowed`` are the packages of ``runtime.allow``, which belong to that code where it needs them.
    """
    if isinstance(node, list):
        return [described(each, allowed) for each in node]
    if not isinstance(node, dict):
        return node
    values = {key: described(value, allowed) for key, value in node.items()}
    target = str(node.get("_target_", ""))
    return {**values, SOURCES: sources(target, allowed)} if target and not is_known(target) else values


def sources(target: str, allowed: Sequence[str]) -> dict[str, str]:
    """SHA-256 of the file that a target is in, under the target's name, and of each module it needs, under theirs.

    Needed is what an import statement names, anywhere in a file, and what that needs in turn, where it lies outside of
    Python's installation. Of the packages in ``allowed``, an installed one counts as a whole. Not seen are modules
    whose names are put together while the code runs, and files that are no modules.
    """
    found = get_object(target)
    packages = frozenset(name.partition(".")[0] for name in (*allowed, target)) - {*_OURS, "torch"}
    home = _home(found, target)
    needed = _needed([target, home, *_homes(found)], packages)
    own = needed.pop(home, None) or _digest_of(home)
    return {target: own, **needed}


def _home(found: Any, target: str) -> str:
    """The module that a class or function is written in; that of the name where the target is another object."""
    if inspect.isclass(found) or inspect.isroutine(found):
        return str(found.__module__)
    return next(name for name in reversed(list(_with_packages(target))) if name in sys.modules)


def _homes(found: Any) -> set[str]:
    """The modules of a class and of the classes it inherits from."""
    return {str(each.__module__) for each in getattr(found, "__mro__", (found,)) if hasattr(each, "__module__")}


def _needed(names: Iterable[str], packages: frozenset[str]) -> dict[str, str]:
    waiting, seen, digests = list(names), set[str](), dict[str, str]()
    while waiting:
        for name in _with_packages(waiting.pop()):
            if name in seen:
                continue
            seen.add(name)
            path, top = _file(name), name.partition(".")[0]
            if path is None:
                continue
            if not _counts(name, path, packages):
                break
            whole = _is_installed(_folder(name, path))
            module = _package(sys.modules.get(top), top, packages) if whole else _module(name, path)
            digests[top if whole else name] = module.digest
            waiting += module.imports
    return digests


def _with_packages(name: str) -> Iterator[str]:
    """``a``, ``a.b`` and ``a.b.c`` for ``a.b.c``: to import it runs them all."""
    parts = name.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


# --- where a module is ---


def _spec(name: str) -> ModuleSpec | None:
    """Where a module is, as an import would find it; unlike one, this does not run the packages it is in."""
    loaded = getattr(sys.modules.get(name), "__spec__", None)
    if isinstance(loaded, ModuleSpec):
        return loaded
    package, path = name.rpartition(".")[0], None
    if package:
        above = _spec(package)
        path = None if above is None else above.submodule_search_locations
        if path is None:
            return None
    found = (finder.find_spec(name, path) for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return next((spec for spec in found if spec is not None), None)


def _file(name: str) -> Path | None:
    """The file of a module; None where there is no such module, or none on the disk."""
    spec = _spec(name)
    if spec is not None:
        return Path(spec.origin) if spec.origin and spec.has_location else None
    file = getattr(sys.modules.get(name), "__file__", None)
    return Path(file) if isinstance(file, str) else None


def _folder(name: str, path: Path) -> Path:
    """The folder in which the outermost package of a module lies, or the module itself."""
    return path.parents[name.count(".") + (path.stem == "__init__")]


def _counts(name: str, path: Path, packages: frozenset[str]) -> bool:
    top, folder = name.partition(".")[0], _folder(name, path)
    if top in packages:
        return True
    ours = top in _OURS and folder == _CHECKOUT
    return not (ours or top in ("torch", "torchvision") or _is_installed(folder))


@cache
def _is_installed(folder: Path) -> bool:
    """Whether packages are installed in a folder, rather than written there."""
    standard = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    named = folder.name in ("site-packages", "dist-packages")
    return named or any(map(folder.is_relative_to, standard)) or any(folder.glob("*.dist-info"))


# --- what it holds ---


def _digest_of(name: str) -> str:
    path = _file(name)
    return "" if path is None else _module(name, path).digest


def _module(name: str, path: Path) -> _Module:
    loaded = sys.modules.get(name)
    return _read(name, path) if loaded is None else _read_once(loaded, name, path)


@cache
def _read_once(loaded: ModuleType, name: str, path: Path) -> _Module:
    """What a process has loaded it goes on running, though the file be edited before the next job."""
    return _read(name, path)


def _read(name: str, path: Path) -> _Module:
    read = getattr(getattr(_spec(name), "loader", None), "get_data", None)  # which can read out of an archive, too
    content: bytes = path.read_bytes() if read is None else read(str(path))
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    imports = frozenset(_imported(content, name, package)) if path.suffix == ".py" else frozenset[str]()
    return _Module(hashlib.sha256(content).hexdigest(), imports)


@cache
def _package(loaded: ModuleType | None, name: str, others: frozenset[str]) -> _Module:
    """A whole installed package, once for a process, and those of ``others`` that a file of it mentions.

    Read, not parsed: parsing the 13 MB of scikit-learn would take 8 s.
    """
    spec = _spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    paths = [(Path(folder), path) for folder in folders for path in Path(folder).rglob("*") if path.suffix in _CODE]
    if not folders and (file := _file(name)) is not None:
        paths = [(file.parent, file)]
    whole, mentioned = hashlib.sha256(), set[str]()
    for relative, path in sorted((path.relative_to(folder).as_posix(), path) for folder, path in paths):
        content = path.read_bytes()
        whole.update(f"{relative} {hashlib.sha256(content).hexdigest()}\n".encode())
        mentioned |= {other for other in others if other.encode() in content}
    return _Module(whole.hexdigest(), frozenset(mentioned))


def _imported(content: bytes, name: str, package: str) -> Iterator[str]:
    """What import statements in a module may mean by a module: for ``from a import b`` both ``a`` and ``a.b``."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return  # what is not Python is not imported either
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                where = _absolute("." * node.level + (node.module or ""), package)
                yield from (where, *(f"{where}.{alias.name}" for alias in node.names))
            case ast.Assign(targets=[ast.Name(id="__all__")]):  # a star brings the modules among them
                yield from (f"{name}.{text}" for text in _texts(node.value))
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[first, *_]):
                if called in ("import_module", "__import__"):
                    yield from (_absolute(text, package) for text in _texts(first))


def _absolute(name: str, package: str) -> str:
    try:
        return resolve_name(name, package)
    except ImportError:  # beyond the outermost package: an import would fail
        return "?"


def _texts(node: ast.expr) -> list[str]:
    """The texts that stand in an expression as they are."""
    found = (each.value for each in ast.walk(node) if isinstance(each, ast.Constant))
    return [value for value in found if isinstance(value, str)]
