"""From a command line to a checked configuration and its study; loads neither torch nor Optuna."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING, DictConfig, OmegaConf

from pruneexp.config import checks, skeleton
from pruneexp.config.choices import check_folders, check_lines, choices_of, known_choices, search_folders
from pruneexp.config.help import CommandHelp, help_text
from pruneexp.config.sweep import experiment_of, own_folders, refuse_sweeps
from pruneexp.errors import UserError

HELP = CommandHelp(
    config="sweeps",
    usage="""\
sweeps: a search over one experiment. Every trial is recorded, and every study goes on where it stopped.

Usage:  python -m sweeps study=CHOICE [--config-dir FOLDER] [GROUP=CHOICE ...] [KEY=VALUE ...]

The groups and keys are those of python -m pruneexp; study.KEY=VALUE sets the options of the study.
""",
    examples="""\
  python -m sweeps study=sensitivity model=lenet5 study.seeds=[0,1,2]
  python -m sweeps study=layer_thresholds model=lenet5 reg=l1 study.trials=100
  python -m sweeps study=knee model=lenet5 study.epsilon=0.5
""",
    without=("study=sensitivity",),
)

#: A study is of one experiment.
_ONE_BY_ONE = "write one command for each of {}"

_NOT_TAKEN = ("hydra_help", "cfg", "resolve", "package", "shell_completion", "config_path", "config_name", "info",
              "experimental_rerun")  # fmt: skip


@dataclass
class StudyConfig(skeleton.Config):
    """The skeleton of an experiment, and the search over it."""

    study: Any = MISSING


@dataclass(frozen=True)
class Command:
    """What a command line asks for: ``config`` is the experiment alone, ``study`` a node with a ``_target_``.

    ``own`` are modules, ``folders`` folders of the user's. With ``help`` there is nothing else.
    """

    config: DictConfig
    study: DictConfig
    choices: Mapping[str, str]
    own: Sequence[str] = ()
    folders: Sequence[str] = ()
    help: str | None = None


def read(arguments: Sequence[str]) -> Command:
    """Compose and check a command line.

    Raises:
        UserError: a value is not allowed, or no study is named.
        Exception: Hydra's own, where the overrides do not compose.
    """
    skeleton.register(StudyConfig)
    parsed = get_args_parser().parse_args(list(arguments))
    folders = own_folders(parsed.config_dir, _ONE_BY_ONE)
    if parsed.help:
        return Command(DictConfig({}), DictConfig({}), {}, help=help_text(parsed.overrides, folders, HELP))
    _refuse_flags(parsed)
    _refuse_plugins(parsed.overrides)
    _check_overrides(parsed.overrides, folders)
    with initialize_config_dir(str(skeleton.conf_folder()), version_base="1.3"):
        whole = compose(HELP.config, [*skeleton.search_path(folders), *parsed.overrides], return_hydra_config=True)
    searched = search_folders(whole.hydra)
    check_folders([Path(folder) for folder in searched], _ONE_BY_ONE)
    experiment, own = experiment_of(whole)
    study = whole.study
    if not isinstance(study, DictConfig) or "_target_" not in study:
        raise UserError("study: a study is a choice of the group study, with a _target_ (study=sensitivity, ...)")
    for path, target in checks.targets(checks.plain(study), "study"):
        checks.check_target(path, target, ("sweeps.studies", *experiment.runtime.allow, *own))
    OmegaConf.resolve(study)
    return Command(experiment, study, choices_of(whole.hydra), own, searched)


def _check_overrides(overrides: Sequence[str], folders: Sequence[Path]) -> None:
    """Refuse what a study of one experiment cannot be asked for, before anything is composed."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    refuse_sweeps(parsed, _ONE_BY_ONE)
    check_lines(overrides, folders, _ONE_BY_ONE)
    if not any(override.key_or_group == "study" and isinstance(override.value(), str) for override in parsed):
        choices = ", ".join(known_choices(folders, "study"))
        raise UserError(f"study: nothing is chosen; write study=CHOICE, where the choices are {choices}")


def _refuse_flags(parsed: Namespace) -> None:
    if parsed.multirun:
        raise UserError("-m: one command runs one study; to sweep a study, write one command for each")
    for flag in _NOT_TAKEN:
        if getattr(parsed, flag):
            name = flag.replace("_", "-")
            raise UserError(f"--{name}: of Hydra's flags, python -m sweeps takes --help and --config-dir")


def _refuse_plugins(overrides: Sequence[str]) -> None:
    """What Hydra would start jobs by, and a study would silently not."""
    for line in overrides:
        name = line.lstrip("+~")
        if name.startswith(("hydra/launcher", "hydra.launcher")):
            raise UserError(f"{line}: a study runs in this process; start the command once per worker")
        if name.startswith(("hydra/sweeper", "hydra.sweeper")):
            raise UserError(f"{line}: a study asks for its points itself; sweepers are for python -m pruneexp -m")
