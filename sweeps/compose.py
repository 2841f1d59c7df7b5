"""From a command line to a checked configuration and its study; loads neither torch nor Optuna."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import MISSING, DictConfig, OmegaConf

from pruneexp.config import checks, skeleton
from pruneexp.config.choices import search_folders
from pruneexp.config.groups import GROUPS
from pruneexp.config.sweep import checked, composed, help_text, refuse_sweeps
from pruneexp.errors import SentenceParser, UserError

HELP = """\
sweeps: a search over one experiment. Every trial is recorded, and every study goes on where it stopped.

Usage:  python -m sweeps study=CHOICE [--config-dir FOLDER] [GROUP=CHOICE ...] [KEY=VALUE ...]

The groups and keys are those of python -m pruneexp; study.KEY=VALUE sets the options of the study.

  python -m sweeps study=sensitivity model=lenet5 'study.seeds=[0,1,2]'
  python -m sweeps study=layer_thresholds model=lenet5 reg=l1 study.trials=100
  python -m sweeps study=knee model=lenet5 study.epsilon=0.5
"""

#: Flags, and whether a value follows.
FLAGS = {"--help": False, "-h": False, "--config-dir": True, "-cd": True}


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
        UserError: a value is not allowed.
        Exception: Hydra's own, where the overrides do not compose, or no study is chosen.
    """
    skeleton.register(StudyConfig)
    parser = SentenceParser(prog="python -m sweeps", add_help=False, allow_abbrev=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("overrides", nargs="*")
    asked = parser.parse_args(list(arguments))
    if asked.help:
        whole = composed("sweeps", ["study=sensitivity", *asked.overrides], asked.config_dir)
        return Command(DictConfig({}), DictConfig({}), {}, help=help_text(HELP, GROUPS, whole))
    _check_overrides(asked.overrides)
    whole = composed("sweeps", asked.overrides, asked.config_dir)
    experiment, choices, own = checked(whole)
    study = whole.study
    if not isinstance(study, DictConfig) or "_target_" not in study:
        raise UserError("study: a study is a choice of the group study, with a _target_ (study=sensitivity, ...)")
    for path, target in checks.targets(checks.plain(study), "study"):
        checks.check_target(path, target, ("sweeps.studies", *experiment.runtime.allow, *own))
    OmegaConf.resolve(study)
    return Command(experiment, study, choices, own, search_folders(whole.hydra))


def _check_overrides(overrides: Sequence[str]) -> None:
    """Refuse what a study of one experiment cannot be asked for, before anything is composed."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    for override in parsed:
        key, _, values = str(override.input_line).partition("=")
        if override.is_sweep_override() and key.startswith("study."):
            raise UserError(
                f"{override.input_line}: a list stands in brackets, '{key}=[{values}]'; nothing else is several"
            )
    refuse_sweeps(parsed, "write a command for each")
    for override in parsed:
        if override.key_or_group.startswith(("hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweeper")):
            raise UserError(f"{override.input_line}: a study asks for its points itself, and runs in this process")
