"""The choice of each group: exactly one, named as a text, from the one file of that name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from pruneexp.config.groups import BY_SWEEPING, GROUPS, MAY_BE_LEFT_OUT, nothing, several
from pruneexp.config.skeleton import conf_folder
from pruneexp.errors import UserError


def check_lines(overrides: Sequence[str], folders: Sequence[Path], way: str = BY_SWEEPING) -> None:
    """Refuse overrides that give a group anything but one choice, before anything is composed.

    ``folders`` are the user's, ``way`` tells how a user of this command runs several choices. Values that are swept
    are left to the check of each job.

    Raises:
        UserError: names the override, and says how the choice is written.
    """
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.is_sweep_override():
            continue
        group, value, line = override.key_or_group, override.value(), str(override.input_line)
        if group.startswith("hydra/") and not isinstance(value, str):
            raise UserError(f"{line}: {group} takes one choice, or is left out")
        if group not in GROUPS or isinstance(value, dict):  # a mapping holds keys of the group
            continue
        if override.package is not None:
            raise UserError(f"{line}: a choice of {group} can stand in no other place: write {group}=CHOICE")
        if not (override.is_delete() and group in MAY_BE_LEFT_OUT):
            _check_choice(group, value, line, folders, way)
        if override.is_add() or override.is_force_add():
            raise UserError(f"{line}: {group} is chosen without a +: write {group}={value}")


def _check_choice(group: str, value: object, said: str, folders: Sequence[Path], way: str) -> None:
    if isinstance(value, list):
        raise several(group, value, way)
    if value is None:
        raise nothing(group, said, known_choices(folders, group))
    if not isinstance(value, str):
        raise UserError(f"{said}: the name of a choice is a text: write \"{group}='{value}'\"")


def check_folders(folders: Sequence[Path], way: str = BY_SWEEPING) -> None:
    """Refuse files of the user's that hide another file, or whose defaults lists give a group no single choice.

    Hydra would silently read one of two files of the same name.

    Raises:
        UserError: names the file, and the other one or the group.
    """
    shipped = (Path(str(files("hydra.conf"))), conf_folder())
    taken = {path: folder for folder in reversed(shipped) for path in _named(folder)}
    ours = {folder.resolve() for folder in shipped}
    for folder in {folder.resolve(): folder for folder in folders if folder.resolve() not in ours}.values():
        for name, other in taken.items():
            if (folder / name).is_file():
                raise UserError(
                    f"{folder / name} has the name of {other / name}, which would be used in its place: rename it"
                )
        own = [path for group in GROUPS for path in _named(folder, group)]
        for path in own:
            try:
                _check_defaults(folder / path, path.parts[0], folders, way)
            except UserError as error:
                raise UserError(f"{path.with_suffix('')}: {error}") from None
        taken |= dict.fromkeys(own, folder)


def _check_defaults(file: Path, own_group: str, folders: Sequence[Path], way: str) -> None:
    for key, value in _defaults(file):
        *flags, path = key.split() or [""]
        group, _, choice = path.removeprefix("/").partition("/")
        if not path.startswith("/") or "@" in path or group == "hydra":
            continue
        if group not in GROUPS:
            if "override" in flags:
                raise UserError(f"{key}: no such group; the groups are {', '.join(GROUPS)}{guess(group, GROUPS)}")
        elif "override" in flags:
            if value is not None or group not in MAY_BE_LEFT_OUT:
                _check_choice(group, value, f"{key}: {'null' if value is None else value}", folders, way)
            if group == "train" and value is not None and "$" not in value:
                _check_recipe(value, folders)
        elif not flags and group != own_group:
            choice = choice or str(value[0] if isinstance(value, list) else value)
            raise UserError(f"{group} takes one choice: write 'override /{group}: {choice}' for {choice}")


def _defaults(file: Path) -> Iterator[tuple[str, Any]]:
    """The entries of a file's defaults list; where the file is no YAML, Hydra says so once it is chosen."""
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
    entries = tree.get("defaults") if isinstance(tree, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        for key, value in entry.items() if isinstance(entry, dict) else [(entry, None)]:
            yield str(key), value


def _check_recipe(name: str, folders: Sequence[Path]) -> None:
    """``train`` is optional in the defaults list, so that Hydra passes over a misspelt recipe in silence."""
    if name not in (known := known_choices(folders, "train")):
        raise UserError(unknown_choice("train", name, known))


def check_own_sweep(composed: DictConfig, master: DictConfig) -> None:
    """Refuse a preset that sweeps where it is swept over itself: a sweep takes the keys of one only.

    Raises:
        UserError: names the preset and its keys.
    """
    params = composed.hydra.sweeper.get("params")
    if params and params != master.hydra.sweeper.get("params"):
        preset = composed.hydra.runtime.choices.get("experiment")
        raise UserError(
            f"experiment={preset} sweeps over {', '.join(map(str, params))} itself: run it by a command of its own"
        )


def choices_of(hydra: Any) -> Mapping[str, str]:
    """The option chosen in each of our groups; ``default`` where a recipe or preset is absent.

    Raises:
        UserError: the command line names a recipe that is not there.
    """
    names = {group: str(hydra.runtime.choices.get(group) or "default") for group in GROUPS}
    folders = _searched(hydra)
    if f"train={names['train']}" in hydra.overrides.task:
        _check_recipe(names["train"], folders)
    return names if names["train"] in known_choices(folders, "train") else names | {"train": "default"}


def search_folders(hydra: Any) -> list[str]:
    """Folders of configurations that the command line adds to ours, as by ``--config-dir``."""
    return [str(folder) for folder in _searched(hydra) if folder != conf_folder()]


def _searched(hydra: Any) -> list[Path]:
    """Where choices are looked for, Hydra's own folders apart, in this order."""
    located = {"file": Path, "pkg": lambda name: Path(str(files(name)))}
    sources = [source for source in hydra.runtime.config_sources if source.provider != "hydra"]
    return [located[source.schema](str(source.path)) for source in sources if source.schema in located]


def known_choices(folders: Iterable[Path], group: str) -> list[str]:
    """The choices of a group, ours and those in the user's ``folders``; one in a folder below it goes by its path."""
    paths = [path.relative_to(group) for folder in {conf_folder(), *folders} for path in _named(folder, group)]
    return sorted({path.with_suffix("").as_posix() for path in paths})


def unknown_choice(group: str, choice: str, choices: Iterable[str]) -> str:
    """The sentence for a choice that a group does not have."""
    known = sorted({*choices, *known_choices((), group)})  # Hydra does not list what lies in a folder of its own
    return f"{group}={choice}: no such choice; the choices of {group} are {', '.join(known)}{guess(choice, known)}"


def guess(word: str, known: Sequence[str]) -> str:
    """What may have been meant by a misspelt word, in brackets; nothing where none of those known is like it."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _named(folder: Path, below: str = ".") -> list[Path]:
    return sorted(path.relative_to(folder) for path in (folder / below).rglob("*.yaml"))
