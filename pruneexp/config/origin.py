"""What only a command line may say, and no configuration file: which code may run, and how far it reaches.

A preset can come from a stranger. Whatever it composes, it must not run code, write or read outside the working
folder, send records elsewhere, or read the environment. Knows how Hydra tells what a command line said; the allowed
targets themselves are checked in ``checks``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, ListConfig, OmegaConf

from pruneexp.errors import UserError

#: Keys with a file or a folder, in the working folder unless the command line says otherwise.
PLACES = ("runtime.store", "runtime.sweeps", "train.start_from", "data.root")
#: Keys with a database or a server, or a file as above.
STORES = ("runtime.tracking_uri", "study.storage", "hydra.sweeper.storage")
#: What a configuration file may change of Hydra's own node, and what differs with the choices of any job.
_HYDRA_FREE = (
    "hydra.mode",
    "hydra.sweeper",
    "hydra.overrides.task",
    "hydra.runtime",
    "hydra.job.override_dirname",
    "hydra.job.name",
    "hydra.job.config_name",
    "hydra.job.id",
    "hydra.job.num",
)
#: What the command line said of Hydra, line by line; a sweep writes it anew, with other quotes.
_LINES = "hydra.overrides.hydra."
_INSTEAD = "whoever means it says it on the command line"
_PLUGINS = re.compile(r"(hydra\._internal\.core_plugins|hydra_plugins)\.\w+(\.\w+)+")
_ENVIRONMENT = re.compile(r"oc\.env:\s*(\w+)")
#: Variables that a file may read: they are meant for this project.
_OPEN_VARIABLES = "PRUNEEXP_"


def guard_environment(overrides: Sequence[str]) -> None:
    """Let ``${oc.env:NAME}`` read PRUNEEXP_... and what the command line names only: a secret must not be logged."""
    named = {name for line in overrides for name in _ENVIRONMENT.findall(line)}

    def read(name: str, *default: str | None) -> str | None:
        if not name.startswith(_OPEN_VARIABLES) and name not in named:
            raise UserError(
                f"${{oc.env:{name}}}: of the environment, a configuration file may read {_OPEN_VARIABLES}... only: "
                f"{_INSTEAD}"
            )
        value = os.environ.get(name, *default)
        if value is None and not default:
            raise UserError(f"${{oc.env:{name}}}: this environment variable is not set")
        return value

    OmegaConf.register_new_resolver("oc.env", read, replace=True)


def check(composed: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse what a file, and not the command line of these ``overrides``, says of code and places.

    Raises:
        UserError: names the key, and says how it is allowed.
    """
    said = {str(override.get_key_element()).lstrip("+~").partition("@")[0] for override in _parsed(overrides)}
    _check_written_out(composed, [key for key in ("runtime.allow", *PLACES, *STORES) if not _covered(key, said)])
    values = {key: OmegaConf.select(composed, key) for key in ("runtime.allow", *PLACES, *STORES)}
    for key, value in values.items():
        if not value or _covered(key, said):
            continue
        if key == "runtime.allow":
            raise UserError(f"{key}={list(value)} stands in a configuration file: {_INSTEAD}")
        path = _file_of(str(value)) if key in STORES else Path(str(value))
        if path is None:
            raise UserError(f"{key} in a configuration file names a server or a database: {_INSTEAD}")
        if not inside(path):
            raise UserError(f"{key}={value} in a configuration file leaves {Path.cwd()}: {_INSTEAD}")
    sweeper = OmegaConf.select(composed, "hydra.sweeper.study") or ""
    if not re.fullmatch(r"[\w.+-]*", sweeper) or sweeper.startswith("."):
        raise UserError(f"hydra.sweeper.study={sweeper}: a study's name is of letters, digits, '_', '-', '+' and '.'")


def hydra_alone(overrides: Sequence[str], search: Sequence[str]) -> Mapping[str, Any]:
    """What Hydra's own node is by the command line alone; called where configurations are composed.

    ``search`` are the folders searched, as overrides.
    """
    own = [str(each.input_line) for each in _parsed(overrides) if _of_hydra(each) and not each.is_sweep_override()]
    return hydra_leaves(compose("config", overrides=[*search, *own], return_hydra_config=True))


def hydra_leaves(composed: DictConfig) -> Mapping[str, Any]:
    """Hydra's own node as it is written, flat, nothing resolved."""
    return dict(_leaves(OmegaConf.to_container(composed.hydra, resolve=False), "hydra"))


def check_hydra(composed: DictConfig, alone: Mapping[str, Any]) -> None:
    """Refuse what a file says of Hydra itself, but for the values swept over: it can start programs and write anywhere.

    Raises:
        UserError: names the first such key.
    """
    told = {_meant(str(line)) for key, line in alone.items() if key.startswith(_LINES)}
    for key, value in hydra_leaves(composed).items():
        free = any(key == name or key.startswith(f"{name}.") for name in _HYDRA_FREE)
        free = free or (key.startswith(_LINES) and _meant(str(value)) in told)
        if not free and alone.get(key) != value:
            raise UserError(f"{key} stands in a configuration file: {_INSTEAD}")
        if not key.endswith("._target_"):
            continue
        if key not in ("hydra.launcher._target_", "hydra.sweeper._target_"):
            raise UserError(f"{key}={value}: only hydra/launcher and hydra/sweeper name what Hydra is to run")
        if not _PLUGINS.fullmatch(str(value)):
            raise UserError(f"{key}={value} is no plugin of Hydra's")


def inside(path: Path) -> bool:
    """Whether a path stays in the working folder, links being taken for what they are called."""
    plain = Path(os.path.normpath(Path.cwd() / path.expanduser()))
    return plain.is_relative_to(Path.cwd())


def _file_of(uri: str) -> Path | None:
    """The file of a SQLite URI or of a plain path; None for whatever lies elsewhere."""
    if "://" not in uri:
        return Path(uri)
    scheme, _, rest = uri.partition(":///")
    return Path(rest.partition("?")[0]) if scheme == "sqlite" and rest else None


def _check_written_out(composed: DictConfig, keys: Sequence[str]) -> None:
    """What depends on other values can be one thing when it is checked and another when it is used."""
    for key in keys:
        node: Any = composed
        for part in key.split("."):
            if not isinstance(node, DictConfig) or part not in node or OmegaConf.is_missing(node, part):
                break
            if OmegaConf.is_interpolation(node, part):
                raise UserError(f"{key} depends on other values in a configuration file: {_INSTEAD}")
            node = node[part]
        if isinstance(node, ListConfig) and any(OmegaConf.is_interpolation(node, place) for place in range(len(node))):
            raise UserError(f"{key} depends on other values in a configuration file: {_INSTEAD}")


def _covered(key: str, said: set[str]) -> bool:
    parts = key.split(".")
    return any(".".join(parts[:end]) in said for end in range(1, len(parts) + 1) if end > 1 or parts[0] == "runtime")


def _meant(line: str) -> tuple[str, str]:
    (override,) = _parsed([line])
    return str(override.get_key_element()), str(override.value())


def _parsed(overrides: Sequence[str]) -> list[Override]:
    return list(OverridesParser.create().parse_overrides(list(overrides)))


def _of_hydra(override: Override) -> bool:
    return re.match(r"hydra[./]", str(override.key_or_group)) is not None


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}")
    elif isinstance(node, Sequence) and not isinstance(node, str) and node:
        for index, value in enumerate(node):
            yield from _leaves(value, f"{path}.{index}")
    else:
        yield path, node
