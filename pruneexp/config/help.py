"""The text of ``--help``: groups, choices and keys, read off the folders; Hydra's own lister takes a second longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pruneexp.config.choices import known_choices
from pruneexp.config.groups import GROUPS
from pruneexp.config.skeleton import conf_folder, search_path


@dataclass(frozen=True)
class CommandHelp:
    """What a command's help says around the groups and keys of ``config``, which it composes.

    ``without`` are overrides that it needs where the command line chooses nothing, ``hidden`` groups it does not take.
    """

    config: str
    usage: str
    examples: str
    without: Sequence[str] = ()
    hidden: Sequence[str] = ()


PRUNEEXP = CommandHelp(
    config="config",
    usage="""\
pruneexp: one job prunes one network along one curve of densities, and records every trade-off point.

Usage:  python -m pruneexp [-m] [--config-dir FOLDER] [GROUP=CHOICE ...] [KEY=VALUE ...]

-m sweeps over comma-separated values; --config-dir adds choices of your own; --hydra-help tells of Hydra's own flags.
""",
    examples="""\
  python -m pruneexp -m model=alexnet reg=l1,l2
  python -m pruneexp model=lenet5 mode=scratch_b curve.densities=[0.2,0.05] seed=1
  python -m pruneexp experiment=smoke plan=true     print what would be done, and stop
  python -m pruneexp --config-dir mine model=mine   your own network, from mine/model/mine.yaml
""",
    hidden=("study",),
)


def help_text(overrides: Sequence[str], folders: Sequence[Path] = (), around: CommandHelp = PRUNEEXP) -> str:
    """Usage, every group with its choices (those of the user's ``folders`` too), and every key with its present value.

    Raises:
        Exception: Hydra's own, where the overrides do not compose.
    """
    shown = [group for group in (*GROUPS, "hydra/launcher") if group not in around.hidden]
    groups = "\n".join(f"{group}: {', '.join(known_choices(folders, group))}" for group in shown)
    search = search_path(folders)
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        keys = OmegaConf.to_yaml(compose(around.config, overrides=[*search, *around.without, *overrides]))
    return (
        f"{around.usage}\n== Groups and their choices ==\n{groups}\n\n"
        f"== Keys, with their values for the choices made ==\n{keys}\n== Examples ==\n{around.examples}"
    )
