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
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, ListConfig, OmegaConf

from pruneexp.config.checks import check_study_name
from pruneexp.errors import UserError

#: Keys that no file may set: which code may run, and which sweep.
ALONE = ("runtime.allow", "hydra.sweeper.file")
#: Keys with a file or a folder, in the working folder unless the command line says otherwise.
PLACES = ("runtime.store", "runtime.sweeps", "train.start_from", "data.root")
#: Keys with a database or a server, or a file as above.
STORES = ("runtime.tracking_uri", "study.storage", "hydra.sweeper.storage")
#: Places that pruneexp's own files name: where one of them is a link, it is the user's, to a larger disk.
OWN_PLACES = (".pruneexp", ".pruneexp/store", ".pruneexp/sweeps", "data", "data/imagenet")
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
#: A value that cannot hold a path, an address, a list or a line of shell.
_WORD = re.compile(r"[\w.-]*")
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
    _check_written_out(composed, [key for key in (*ALONE, *PLACES, *STORES) if not _covered(key, said)])
    values = {key: OmegaConf.select(composed, key) for key in (*ALONE, *PLACES, *STORES)}
    for key, value in values.items():
        if not value or _covered(key, said):
            continue
        if key in ALONE:
            raise UserError(f"{key}={value} stands in a configuration file: {_INSTEAD}")
        path = _file_of(str(value)) if key in STORES else Path(str(value))
        if path is None:
            raise UserError(f"{key} in a configuration file names something else than a plain file: {_INSTEAD}")
        if not inside(path):
            raise UserError(f"{key}={value} in a configuration file leaves {Path.cwd()}: {_INSTEAD}")
    check_study_name("hydra.sweeper.study", OmegaConf.select(composed, "hydra.sweeper.study"))


def check_replayed(words: Sequence[str]) -> None:
    """Refuse what a command that was kept in a folder says of code: whoever can write there could have it run.

    Places and servers are left to it, as a sweep of one's own names them too.

    Raises:
        UserError: names the first such word, or one that no command has.
    """
    flags = [word for word in words if word.startswith("-") and word not in ("-m", "--multirun")]
    lines = [word for word in words if not word.startswith("-")]
    try:
        running = [str(each.input_line) for each in _parsed(lines) if _runs_code(each)]
    except OverrideParseException as error:
        raise UserError(f"{error.override}: this is no word of a sweep's command") from error
    named = [line for line in lines if any(not n.startswith(_OPEN_VARIABLES) for n in _ENVIRONMENT.findall(line))]
    for word in (*flags, *running, *named):
        raise UserError(f"{word}: a command that is read from a folder must not say this")


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
    """Whether a path stays in the working folder, or in one of our own places, wherever the links in it lead."""
    real = path.expanduser().resolve()
    return any(real.is_relative_to(Path(place).resolve()) for place in (".", *OWN_PLACES))


def _file_of(uri: str) -> Path | None:
    """The file of a SQLite URI or of a plain path; None for whatever lies elsewhere, or may do so."""
    if "://" not in uri:
        return Path(uri)
    scheme, _, rest = uri.partition(":///")
    # SQLAlchemy reads %2F as a slash, and SQLite ``file:`` as a URI of its own: either leads to any file
    plain = scheme == "sqlite" and rest and "%" not in rest and not rest.startswith("file:")
    return Path(rest.partition("?")[0]) if plain else None


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


def _runs_code(override: Override) -> bool:
    """Whether an override can name code; of Hydra's own, all but choices, sweeps, and plain options of a launcher."""
    key = str(override.key_or_group)
    if not re.match(r"hydra\b", key):
        return key == "runtime" or key.startswith("runtime.allow")
    if key.startswith("hydra.launcher."):
        return _WORD.fullmatch(override.get_value_element_as_str()) is None
    return key not in ("hydra/launcher", "hydra/sweeper") and not key.startswith("hydra.sweeper.")


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
