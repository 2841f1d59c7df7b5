"""What Hydra tells of a command line: the choices made, the folders searched, and every job of a sweep, checked.

Hydra checks that the jobs of a sweep compose, but only once the sweep starts, and knows nothing of ranges; a sweep
whose last value is misspelt must not be found out hours later.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import DictConfig, OmegaConf

from pruneexp.config import launchers
from pruneexp.config.checks import check_plugins, check_study_name, validate
from pruneexp.config.choices import (
    check_chosen,
    check_folders,
    check_lines,
    check_own_sweep,
    check_shadowed,
    choosing,
    search_folders,
)
from pruneexp.config.help import help_text
from pruneexp.config.skeleton import conf_folder, search_path
from pruneexp.errors import UserError


def check_command(arguments: Sequence[str]) -> str | None:
    """Compose and validate every job that a command line asks for; the text to show where it asks for help.

    Raises:
        UserError: a value is not allowed.
        Exception: whatever Hydra raises for what does not compose.
    """
    parsed = get_args_parser().parse_args(list(arguments))
    folders = own_folders(parsed.config_dir)
    if parsed.help:
        return help_text(parsed.overrides, folders)
    if parsed.hydra_help or parsed.cfg or parsed.info is not None or parsed.shell_completion:
        return None
    for flag in ("config_name", "config_path"):
        if getattr(parsed, flag):
            raise UserError(
                f"--{flag.replace('_', '-')}: what is composed starts from pruneexp's own; --config-dir adds"
            )
    if studies := [word for word in parsed.overrides if re.match(r"[+~]*study\b", word)]:
        raise UserError(f"{studies[0]}: a study is run by python -m sweeps {studies[0]}")
    search = search_path(folders)
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        master = _master([*search, *parsed.overrides], folders)
        check_folders(master)
        check_plugins(master.hydra)
        check_study_name("hydra.sweeper.study", master.hydra.sweeper.get("study"))
        launchers.check(master.hydra.launcher)
        seen: set[tuple[str, ...]] = set()
        for overrides in _jobs(master.hydra, [*search, *parsed.overrides], parsed.multirun):
            check_lines(overrides, folders)
            composed = compose("config", overrides=list(overrides), return_hydra_config=True)
            if (chosen := choosing(overrides)) not in seen:
                check_chosen(composed, overrides)
                seen.add(chosen)
            check_own_sweep(composed, master)
            if composed.plan and not _numbered(composed.hydra.sweeper):
                raise UserError("plan=true: this sweeper chooses its jobs one by one, so that none can be shown before")
            own = own_modules(search_folders(composed.hydra))
            validate(OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"]), own)
    return None


def own_folders(config_dir: str | None) -> list[Path]:
    """The folder that ``--config-dir`` names, absolute.

    Raises:
        UserError: there is no such folder, or a file in it has the name of one of ours.
    """
    if config_dir is None:
        return []
    folder = Path(config_dir).absolute()
    if not folder.is_dir():
        raise UserError(f"--config-dir {config_dir}: there is no such folder")
    check_shadowed([folder])
    return [folder]


def _master(overrides: Sequence[str], folders: Sequence[Path]) -> DictConfig:
    """What a command line composes but for the values it sweeps over."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    fixed = [str(o.input_line) for o in parsed if not o.is_sweep_override()]
    check_lines(fixed, folders)
    return compose("config", overrides=fixed, return_hydra_config=True)


def _jobs(hydra: DictConfig, overrides: Sequence[str], multirun: bool) -> list[Sequence[str]]:
    """The overrides of each job; what is like the jobs where another sweeper than Hydra's own chooses the values."""
    sweeper = hydra.sweeper
    if not (multirun or str(hydra.mode).endswith("MULTIRUN")):
        return [overrides]
    if sweeper.get("file"):
        return []  # its jobs stand in a file; the sweeper checks them, as it knows the file
    params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    sweep = OverridesParser.create().parse_overrides([*params, *overrides])
    if _numbered(sweeper):
        return list(BasicSweeper.split_arguments(sweep, max_batch_size=None)[0])
    return _corners(sweep)


def _numbered(sweeper: DictConfig) -> bool:
    """Whether it makes a list of all its jobs before the first."""
    return str(sweeper._target_).rpartition(".")[2] in ("BasicSweeper", "JobsSweeper")


def _corners(sweep: Sequence[Override]) -> list[Sequence[str]]:
    """Every choice and both ends of every range, one key at a time, the other keys at their first."""
    last = {(override.key_or_group, override.package): override for override in sweep}
    texts = {key: lines for key, override in last.items() if (lines := _ends(override))}
    first = {key: lines[0] for key, lines in texts.items()}
    others = [list((first | {key: line}).values()) for key, lines in texts.items() for line in lines[1:]]
    return [list(first.values()), *others]


def _ends(override: Override) -> list[str]:
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    if not override.is_sweep_override():
        return [str(override.input_line)]
    lines = [f"{key}={text}" for text in override.sweep_string_iterator()]
    return [*lines[:1], *lines[-1:]] if override.is_range_sweep() else lines


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
