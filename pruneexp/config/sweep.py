"""What Hydra tells of a command line: the choices made, the folders searched, and every job of a sweep, checked.

Hydra checks that the jobs of a sweep compose, but only once the sweep starts, and knows nothing of ranges; a sweep
whose last value is misspelt must not be found out hours later.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from pruneexp.config.checks import validate
from pruneexp.config.help import help_text
from pruneexp.config.skeleton import conf_folder
from pruneexp.errors import UserError

GROUPS = ("model", "data", "train", "reg", "dropout", "criterion", "schedule", "mode", "experiment")


def check_command(arguments: Sequence[str]) -> str | None:
    """Compose and validate every job that a command line asks for; the text to show where it asks for help.

    Raises:
        UserError: a value is not allowed.
        Exception: whatever Hydra raises for what does not compose.
    """
    parsed = get_args_parser().parse_args(list(arguments))
    folders = _own_folders(parsed.config_dir)
    if parsed.help:
        return help_text(parsed.overrides, folders)
    if parsed.hydra_help or parsed.cfg or parsed.info is not None or parsed.shell_completion:
        return None
    search = [f"hydra.searchpath=['file://{folder}']" for folder in folders]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        for overrides in _jobs([*search, *parsed.overrides], parsed.multirun):
            composed = compose("config", overrides=list(overrides), return_hydra_config=True)
            _check_recipe(composed, overrides)
            own = own_modules(search_folders(composed.hydra))
            validate(OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"]), own)
    return None


def _own_folders(config_dir: str | None) -> list[Path]:
    if config_dir is None:
        return []
    folder = Path(config_dir).absolute()
    if not folder.is_dir():
        raise UserError(f"--config-dir {config_dir}: there is no such folder")
    return [folder]


def _jobs(overrides: Sequence[str], multirun: bool) -> list[Sequence[str]]:
    """The overrides of each job; a single one unless the command or a preset sweeps with Hydra's own sweeper."""
    parser = OverridesParser.create()
    fixed = [str(o.input_line) for o in parser.parse_overrides(list(overrides)) if not o.is_sweep_override()]
    master = compose("config", overrides=fixed, return_hydra_config=True)
    sweeper = master.hydra.sweeper
    if not (multirun or str(master.hydra.mode).endswith("MULTIRUN")) or "BasicSweeper" not in sweeper._target_:
        return [overrides]
    params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
    sweep = parser.parse_overrides([*params, *overrides])
    return list(BasicSweeper.split_arguments(sweep, max_batch_size=None)[0])


def _check_recipe(composed: DictConfig, overrides: Sequence[str]) -> None:
    """``train`` is optional in the defaults list, so Hydra passes over a misspelt one in silence."""
    asked = [line.removeprefix("train=") for line in overrides if line.startswith("train=")]
    if asked and asked[-1] not in (*_recipes(composed.hydra), "null"):
        raise UserError(
            f"train={asked[-1]}: no such choice; the choices of train are {', '.join(_recipes(composed.hydra))}"
        )


def _recipes(hydra: Any) -> list[str]:
    """The recipes in the folders that this command line searches."""
    folders = [Path(str(source.path)) for source in hydra.runtime.config_sources if source.schema == "file"]
    return sorted({path.stem for folder in folders for path in (folder / "train").glob("*.yaml")})


def choices_of(hydra: Any) -> Mapping[str, str]:
    """The option chosen in each of our groups; ``default`` where a recipe or preset is absent."""
    chosen = hydra.runtime.choices
    names = {group: str(chosen.get(group) or "default") for group in GROUPS}
    return names if names["train"] in _recipes(hydra) else names | {"train": "default"}


def search_folders(hydra: Any) -> list[str]:
    """Folders of configurations that the command line adds to ours by ``--config-dir``."""
    ours = str(conf_folder())
    sources = [source for source in hydra.runtime.config_sources if source.schema == "file"]
    return [str(source.path) for source in sources if str(source.path) != ours]


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
