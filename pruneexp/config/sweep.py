"""The check of a whole command line before anything runs: the jobs it asks for compose, and their values are allowed.

Hydra checks that the jobs of a sweep compose, but only once the sweep starts, and knows nothing of ranges. The sweeper
of this project checks all of its jobs itself, before the first; here are the other commands.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from pruneexp import __version__
from pruneexp.config.checks import check_plugins, check_study_name, validate
from pruneexp.config.choices import (
    check_choices,
    check_folders,
    check_own_sweep,
    choices_of,
    known_choices,
    search_folders,
)
from pruneexp.config.groups import GROUPS
from pruneexp.config.keys import comments, help_lines, meanings
from pruneexp.config.skeleton import conf_folder, search_path
from pruneexp.config.values import several_values
from pruneexp.errors import SentenceParser, UserError
from pruneexp.terminal import page_width

HELP = """\
pruneexp: one job prunes one network along one curve of densities, and records every trade-off point.

Usage:  python -m pruneexp [-m] [--config-dir FOLDER] [GROUP=CHOICE ...] [KEY=VALUE ...]

-m sweeps over comma-separated values; --config-dir adds choices of your own; --hydra-help tells of Hydra's own flags.

  python -m pruneexp -m model=alexnet reg=l1,l2
  python -m pruneexp model=lenet5 mode=scratch_b 'curve.densities=[0.2,0.05]' seed=1
  python -m pruneexp experiment=smoke plan=true     print what would be done, and stop
  python -m pruneexp --config-dir mine model=mine   your own network, from mine/model/mine.yaml
"""


def check_command(arguments: Sequence[str]) -> str | None:
    """Compose and validate what a command line asks for; the text to show where it asks for help.

    Raises:
        UserError: a value is not allowed.
        Exception: Hydra's own, where the overrides do not compose.
    """
    if "--version" in arguments:
        return f"pruneexp {__version__}"
    parser = SentenceParser(prog="python -m pruneexp", parents=[get_args_parser()], add_help=False, allow_abbrev=False)
    asked = parser.parse_args(list(arguments))
    if asked.help:
        groups = [group for group in (*GROUPS, "hydra/launcher") if group != "study"]
        return help_text(HELP, groups, composed("config", asked.overrides, asked.config_dir))
    if asked.hydra_help or asked.cfg or asked.info is not None or asked.shell_completion:
        return None
    if asked.config_name or asked.config_path:
        flag = "--config-name" if asked.config_name else "--config-path"
        raise UserError(f"{flag}: what is composed starts from pruneexp's own; --config-dir adds")
    if studies := [word for word in asked.overrides if re.match(r"[+~]*study\b", word)]:
        raise UserError(f"{studies[0]}: a study is run by python -m sweeps {shlex.quote(studies[0])}")
    overrides = OverridesParser.create().parse_overrides(asked.overrides)
    _check_plugin_keys(overrides)
    fixed = [str(each.input_line) for each in overrides if not each.is_sweep_override()]
    master = composed("config", fixed, asked.config_dir)
    check_plugins(master.hydra)
    check_study_name("hydra.sweeper.study", master.hydra.sweeper.get("study"))
    if not (asked.multirun or str(master.hydra.mode).endswith("MULTIRUN")):
        refuse_sweeps(overrides, "add -m to run a job for each")
        _refuse_idle_plugins(overrides)
        checked(master)
    elif not str(master.hydra.sweeper._target_).endswith(".JobsSweeper"):
        sample = composed("config", _sample(master, overrides), asked.config_dir)
        check_own_sweep(sample, master)
        checked(sample)
    return None


def composed(name: str, overrides: Sequence[str], config_dir: str | None) -> DictConfig:
    """What Hydra composes of a shipped file, where ``--config-dir`` may add choices.

    Raises:
        UserError: a group has no single choice, there is no such folder, or a file in it has the name of another.
        Exception: Hydra's own, where the overrides do not compose.
    """
    folders = [Path(config_dir).absolute()] if config_dir is not None else []
    if folders and not folders[0].is_dir():
        raise UserError(f"--config-dir {config_dir}: there is no such folder")
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        lines = [*search_path(folders), *overrides]
        check_choices(GlobalHydra.instance().config_loader(), name, lines, folders)
        whole = compose(name, lines, return_hydra_config=True)
    check_folders(search_folders(whole.hydra))
    return whole


def checked(whole: DictConfig) -> tuple[DictConfig, Mapping[str, str], list[str]]:
    """What a composition holds beside Hydra's own node, its choices, and the user's modules that it may name.

    Raises:
        UserError: a choice or a value is not allowed.
    """
    choices, own = choices_of(whole.hydra), own_modules(search_folders(whole.hydra))
    experiment = OmegaConf.masked_copy(whole, [str(key) for key in whole if key not in ("hydra", "study")])
    validate(experiment, own)
    return experiment, choices, own


def help_text(about: str, groups: Sequence[str], whole: DictConfig) -> str:
    """What ``--help`` shows: groups with their choices, and keys with their values in ``whole`` and what they mean.

    Hydra's own lister of choices takes a second longer.
    """
    folders = search_folders(whole.hydra)
    listed = "\n".join(f"{group}: {', '.join(known_choices(folders, group))}" for group in groups)
    written = OmegaConf.to_container(
        OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"]), enum_to_str=True
    )
    meant = dict(meanings())
    if (study := whole.hydra.runtime.choices.get("study")) is not None:
        meant |= comments(conf_folder() / "study" / f"{study}.yaml", "study")
    keys = "\n".join(help_lines(dict(_leaves(written)), meant, page_width()))
    return f"{about}\n== Groups and their choices ==\n{listed}\n\n== Keys, their values and what they mean ==\n{keys}"


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key below a node with its value, but for the names of code."""
    for key, value in node.items():
        below = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict) and value:
            yield from _leaves(value, below)
        elif key != "_target_":
            yield below, value


def refuse_sweeps(overrides: Sequence[Override], way: str) -> None:
    """Refuse several values for a key where one command runs one job; ``way`` says how several are run.

    Raises:
        UserError: names the override.
    """
    for override in overrides:
        if override.is_sweep_override():
            line = str(override.input_line)
            raise UserError(f"{line}: {several_values(*line.split('=', 1)) or f'one command runs one job; {way}'}")


def _check_plugin_keys(overrides: Sequence[Override]) -> None:
    """Refuse a name where Hydra's node of a plug-in is asked for.

    Raises:
        UserError: says how it is chosen.
    """
    for override in overrides:
        if override.key_or_group in ("hydra.launcher", "hydra.sweeper") and not isinstance(override.value(), dict):
            raise UserError(f"{override.input_line}: write {str(override.input_line).replace('hydra.', 'hydra/', 1)}")


def _refuse_idle_plugins(overrides: Sequence[Override]) -> None:
    """Refuse a launcher or a sweeper for one job, which needs neither.

    Raises:
        UserError: says what is missing.
    """
    for override in overrides:
        if override.key_or_group in ("hydra/launcher", "hydra/sweeper") and override.value() not in ("basic", "jobs"):
            raise UserError(f"{override.input_line}: one command runs one job; add -m to run several by it")


def _sample(master: DictConfig, overrides: Sequence[Override]) -> list[str]:
    """One job of a sweeper that chooses values itself: of each key the first value, or the low end of a range.

    Raises:
        UserError: a plan is asked for.
    """
    if master.plan:
        raise UserError("plan=true: this sweeper chooses its jobs one by one, so that none can be shown before")
    params = [f"{key}={value}" for key, value in (master.hydra.sweeper.get("params") or {}).items()]
    sweep = [*OverridesParser.create().parse_overrides(params), *overrides]
    return list({(override.key_or_group, override.package): _first(override) for override in sweep}.values())


def _first(override: Override) -> str:
    if not override.is_sweep_override():
        return str(override.input_line)
    value = override.value()
    first = value.start if isinstance(value, IntervalSweep) else next(override.sweep_string_iterator())
    return f"{override.get_key_element()}={first}"


def own_modules(folders: Sequence[str]) -> list[str]:
    """Python modules that lie in these folders, which naming the folder on the command line makes trusted.

    A module that shadows one found elsewhere is not among them: ``os.py`` in the folder must not make ``os.system``
    a target.
    """
    elsewhere = [path for path in sys.path if path not in folders]
    names = {path.stem for folder in folders for path in Path(folder).glob("*.py")}
    names |= {path.parent.name for folder in folders for path in Path(folder).glob("*/__init__.py")}
    known = {*sys.stdlib_module_names, *sys.builtin_module_names}
    return sorted(name for name in names - known if PathFinder.find_spec(name, elsewhere) is None)
