"""The choice of each group: exactly one, from the one file of that name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import DictConfig

from pruneexp.config.groups import GROUPS, NEEDED
from pruneexp.config.skeleton import conf_folder
from pruneexp.errors import UserError, guess

#: Files that Hydra reads, below a folder that it looks in.
_READ = ("config.yaml", "sweeps.yaml", *(f"{group}/**/*.yaml" for group in (*GROUPS, "hydra")))

#: Choices of ``model`` that take any network of a library by its name.
_LIBRARIES = ("torchvision", "timm")
#: What others call a choice of a group, and choices that are values of a key here.
_OTHER_NAMES = {
    ("mode", "finetune"): "prune",
    ("mode", "scratch"): "scratch_e or scratch_b",
    ("criterion", "magnitude"): "global_magnitude",
}
_ELSEWHERE = {("train", name): f"train.optimizer={name}" for name in ("sgd", "adam", "adamw")} | {
    ("schedule", name): f"train.schedule={name}" for name in ("constant", "step", "cosine")
}


def check_choices(loader: ConfigLoader, config: str, overrides: Sequence[str], folders: Iterable[str | Path]) -> None:
    """Refuse what gives a group no single choice, or one in another's place.

    Hydra would compose it without a label, merge two into one, or say nothing that helps. ``folders`` are the user's.
    Values that are swept are left to the check of each job.

    Raises:
        UserError: names the override with the choices, or the file with what to write in it.
        Exception: Hydra's own, for what does not compose.
    """
    for override in OverridesParser.create(loader).parse_overrides(list(overrides)):
        group, value = override.key_or_group, override.value()
        if group in GROUPS and isinstance(value, str) and value.endswith((".yaml", ".yml")):
            raise UserError(unknown_choice(group, value, known_choices(folders, group)))
        named = override.is_sweep_override() or isinstance(value, str | dict)  # a mapping holds keys of the group
        left_out = override.is_delete() and group not in NEEDED
        if group in GROUPS and not named and not left_out:
            raise _no_choice(str(override.input_line), group, known_choices(folders, group))
    for one in loader.compute_defaults_list(config, list(overrides), RunMode.RUN).defaults:
        group, _, choice = (one.config_path or "").partition("/")
        beside = bool(one.parent) and one.parent.partition("/")[0] not in (group, "config", "sweeps")
        if group in GROUPS and choice and (beside or one.package not in (group, "", "_global_")):
            raise UserError(
                f"{one.parent if beside else one.package}: {group} takes one choice, in its own place: write "
                f"'override /{group}: {choice}' in a file, {group}={choice} on the command line"
            )


def check_folders(folders: Sequence[str]) -> None:
    """Refuse a file of the user's that has the name of another, of which Hydra would silently read the first found.

    Raises:
        UserError: names both files.
    """
    taken: dict[Path, Path] = {}
    places = (str(files("hydra.conf")), str(conf_folder()), *folders)
    for folder in dict.fromkeys(Path(place).resolve() for place in places):
        for path in (path for pattern in _READ for path in folder.glob(pattern)):
            if (other := taken.setdefault(path.relative_to(folder), path)) != path:
                raise UserError(f"{path} has the name of {other}, which would be used in its place: rename it")


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
    """The choice of each of our groups; ``default`` where a recipe or preset is absent.

    Raises:
        UserError: a group that a job needs has none, as after a list in a file, or a recipe is not there.
    """
    chosen = {group: hydra.runtime.choices.get(group) for group in GROUPS}
    folders = search_folders(hydra)
    for group in NEEDED:
        if chosen[group] is None:
            raise _no_choice(f"override /{group}", group, known_choices(folders, group))
    recipe, known = chosen["train"], known_choices(folders, "train")
    if recipe is not None and recipe not in known:
        if recipe != f"{chosen['data']}_{chosen['model']}":  # the one that is optional in conf/config.yaml
            raise UserError(unknown_choice("train", recipe, known))
        chosen["train"] = None
    return {group: str(choice or "default") for group, choice in chosen.items()}


def search_folders(hydra: Any) -> list[str]:
    """Folders of configurations that the command line adds to ours, as by ``--config-dir``."""
    sources = [source for source in hydra.runtime.config_sources if source.provider != "hydra"]
    folders = [source.path for source in sources if source.schema == "file"]
    folders += [str(files(source.path)) for source in sources if source.schema == "pkg"]
    return [folder for folder in folders if Path(folder) != conf_folder()]


def known_choices(folders: Iterable[str | Path], group: str) -> list[str]:
    """The choices of a group, ours and those in the user's ``folders``; one in a folder below it goes by its path."""
    places = [Path(folder, group) for folder in (conf_folder(), *folders)]
    paths = {path.relative_to(place) for place in places for path in place.rglob("*.yaml")}
    return sorted(path.with_suffix("").as_posix() for path in paths)


def choices_with(group: str, key: str) -> list[str]:
    """Shipped choices of a group whose file has this key."""
    has = re.compile(rf"^{re.escape(key)}:", re.MULTILINE)
    found = known_choices((), group)
    return [each for each in found if has.search((conf_folder() / group / f"{each}.yaml").read_text(encoding="utf-8"))]


def _no_choice(said: str, group: str, known: Sequence[str]) -> UserError:
    several = f"python -m pruneexp -m {group}=A,B runs a job for each"
    rest = several if group in NEEDED else f"~{group} leaves it out"
    return UserError(f"{said}: {group} takes one choice, by its name, of {', '.join(known)}; {rest}")


def unknown_choice(group: str, choice: str, choices: Iterable[str]) -> str:
    """The sentence for a choice that a group does not have."""
    known = sorted({*choices, *known_choices((), group)})  # Hydra does not list what lies in a folder of its own
    listed = f"the choices of {group} are {', '.join(known)}"
    return f"{group}={choice}: no such choice; {listed}{_choice_meant(group, choice, known)}"


def _choice_meant(group: str, choice: str, known: Sequence[str]) -> str:
    """Which choice was meant, or where what was meant is chosen, as the end of a sentence."""
    bare = re.sub(r"\.(ya?ml|py)$", "", choice.rpartition("/")[2])
    if like := _OTHER_NAMES.get((group, choice)) or (bare if bare != choice and bare in known else None):
        return f" (did you mean {like}?)"
    parts = [each for each in known if choice.lower() in each.lower().split("/")]
    if parts:
        return f" (did you mean {' or '.join(parts)}?)" if len(parts) < 3 else ""
    several = known if choice in ("all", "*") else re.split(r"[\s|+;&]+", choice)
    if len(several) > 1 and set(several) <= set(known):
        return f"; -m {group}={','.join(several)} runs a job for each"
    if there := _ELSEWHERE.get((group, choice)):
        return f"; there is {there}"
    if elsewhere := [f"{other}={choice}" for other in NEEDED if choice in known_choices((), other)]:
        return f"; there is {' or '.join(elsewhere)}"
    path = "/" in choice or choice.endswith(".py")
    alike = guess(choice, [each for each in known if "/" in each]) if path else guess(bare, known)
    return alike or _brought(group, choice, () if path else known)


def _brought(group: str, choice: str, known: Sequence[str]) -> str:
    """How a network is taken from a library, and what else from a folder of the user's, as the end of a sentence."""
    libraries = [each for each in _LIBRARIES if group == "model" and each in known]
    if libraries:
        name = choice.rpartition(".")[2]
        return f"; a network of {' or '.join(libraries)} is model={libraries[0]} model.name={name}"
    own = f"; one of your own is FOLDER/{group}/NAME.yaml, which --config-dir FOLDER adds"
    return own if group in ("model", "data") else ""
