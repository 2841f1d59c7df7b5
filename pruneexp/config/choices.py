"""What a composed configuration has chosen of each group: one choice, from one file, and no other in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra.core.default_element import ConfigDefault, DefaultsTreeNode
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig

from pruneexp.config.groups import BY_SWEEPING, GROUPS, MAY_BE_LEFT_OUT, NEEDED, nothing, several
from pruneexp.config.skeleton import conf_folder
from pruneexp.errors import UserError


def check_lines(overrides: Sequence[str], folders: Sequence[Path], way: str = BY_SWEEPING) -> None:
    """Refuse what overrides say of a group and is no single choice of it, before anything is composed.

    ``folders`` are the user's, ``way`` how a user of this command runs several choices.

    Raises:
        UserError: nothing is chosen, or several, or a choice is to be put in another place.
    """
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.is_sweep_override():
            continue
        if override.key_or_group in GROUPS:
            _check_line(override, folders, way)
        elif override.key_or_group.startswith("hydra/") and not isinstance(override.value(), str):
            raise UserError(f"{override.input_line}: {override.key_or_group} takes one choice, or is left out")


def _check_line(override: Override, folders: Sequence[Path], way: str) -> None:
    group, value, line = override.key_or_group, override.value(), str(override.input_line)
    if override.package is not None:
        raise UserError(f"{line}: a choice of {group} can stand in no other place: write {group}=CHOICE")
    if override.is_delete():
        if group not in MAY_BE_LEFT_OUT:
            raise nothing(group, line, _known([conf_folder(), *folders], group))
        return
    if isinstance(value, dict):  # keys of the group, not a choice
        return
    if isinstance(value, list):
        raise several(group, value, way)
    if value is None:
        raise nothing(group, line, _known([conf_folder(), *folders], group))
    if override.is_add() or override.is_force_add():
        raise UserError(f"{line}: {group} is chosen without a +: write {group}={value}")
    if not isinstance(value, str):
        raise UserError(f"{line}: the name of a choice is a text: write \"{group}='{override.get_value_string()}'\"")


def choosing(overrides: Sequence[str]) -> tuple[str, ...]:
    """The overrides that choose: jobs that agree in them come from the same files, so that one tells for all."""
    return tuple(line for line in overrides if line.lstrip("+~").partition("=")[0] in GROUPS)


def check_chosen(
    composed: DictConfig, overrides: Sequence[str], config: str = "config", way: str = BY_SWEEPING
) -> None:
    """Refuse a group of which a file's defaults list names several choices or none, and a recipe that is not there.

    Raises:
        UserError: names the group, and the file where it is one.
    """
    chosen = composed.hydra.runtime.choices
    if search_folders(composed.hydra) or any(group not in chosen for group in NEEDED):
        loader = GlobalHydra.instance().config_loader()
        found = loader.compute_defaults_list(config, list(overrides), RunMode.RUN)
        for key, value in found.overrides.override_choices.items():
            if key in GROUPS and isinstance(value, list):
                file = found.overrides.override_metadata[key].containing_config_path
                raise UserError(f"{file}: {several(key, value, way)}")
        for file, group, choice in _beside(found.defaults_tree):
            raise UserError(f"{file}: {group} takes one choice: write 'override /{group}: {choice}' for {choice}")
    for group in NEEDED:
        if chosen.get(group) is None:
            raise nothing(group, f"{group}: null in a defaults list", _known(_folders(composed.hydra), group))
    _check_recipe(composed, overrides)


def _beside(tree: DefaultsTreeNode) -> Iterator[tuple[str, str, str]]:
    """(file, group, choice) where a file of another group adds a choice to that which the group has."""
    for child in tree.children or ():
        node = child.node if isinstance(child, DefaultsTreeNode) else child
        if isinstance(node, ConfigDefault) and not node.is_self() and not tree.node.is_virtual():
            (group, slash, choice), file = node.get_config_path().partition("/"), tree.node.get_config_path()
            if slash and group in GROUPS and file.partition("/")[0] != group:
                yield file, group, choice
        if isinstance(child, DefaultsTreeNode):
            yield from _beside(child)


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


def check_folders(composed: DictConfig) -> None:
    """As ``check_shadowed``, of every folder that a command line searches."""
    check_shadowed(_folders(composed.hydra))


def _check_recipe(composed: DictConfig, overrides: Sequence[str]) -> None:
    """``train`` is optional in the defaults list, so Hydra passes over a misspelt one in silence."""
    asked = [line.removeprefix("train=") for line in overrides if line.startswith("train=")]
    known = _known(_folders(composed.hydra), "train")
    if asked and asked[-1] not in known:
        raise UserError(f"train={asked[-1]}: no such choice; the choices of train are {', '.join(known)}")


def check_shadowed(folders: Sequence[Path]) -> None:
    """Refuse a file of the user's that has the name of another, which Hydra would silently use in its place.

    Raises:
        UserError: names both files.
    """
    taken = {path: folder for folder in reversed(_shipped()) for path in _named(folder)}
    ours = {folder.resolve() for folder in _shipped()}
    for folder in {folder.resolve(): folder for folder in folders if folder.resolve() not in ours}.values():
        for name, other in taken.items():
            if (folder / name).is_file():
                raise UserError(
                    f"{folder / name} has the name of {other / name}, which would be used in its place: rename it"
                )
        taken |= {path: folder for group in GROUPS for path in _named(folder, group)}


def _shipped() -> tuple[Path, ...]:
    return Path(str(files("hydra.conf"))), conf_folder()


def _folders(hydra: Any) -> list[Path]:
    """Where choices are looked for, Hydra's own apart, in this order."""
    places = {"file": Path, "pkg": lambda name: Path(str(files(name)))}
    sources = [source for source in hydra.runtime.config_sources if source.provider != "hydra"]
    return [places[source.schema](str(source.path)) for source in sources if source.schema in places]


def _known(folders: Sequence[Path], group: str) -> list[str]:
    """The choices of a group; one in a folder below it goes by its path."""
    return sorted({str(path.relative_to(group).with_suffix("")) for f in folders for path in _named(f, group)})


def _named(folder: Path, below: str = ".") -> list[Path]:
    return sorted(path.relative_to(folder) for path in (folder / below).rglob("*.yaml"))


def choices_of(hydra: Any) -> Mapping[str, str]:
    """The option chosen in each of our groups; ``default`` where a recipe or preset is absent."""
    chosen = hydra.runtime.choices
    names = {group: str(chosen.get(group) or "default") for group in GROUPS}
    return names if names["train"] in _known(_folders(hydra), "train") else names | {"train": "default"}


def search_folders(hydra: Any) -> list[str]:
    """Folders of configurations that the command line adds to ours by ``--config-dir``."""
    ours = str(conf_folder())
    sources = [source for source in hydra.runtime.config_sources if source.schema == "file"]
    return [str(source.path) for source in sources if str(source.path) != ours]
