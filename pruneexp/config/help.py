"""The text of ``--help``: groups, choices and keys, read off the folders; Hydra's own lister takes a second longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from pruneexp.config.skeleton import conf_folder, search_path


@dataclass(frozen=True)
class Words:
    """What a command's help says around the groups and keys; ``config`` is what it composes.

    ``without`` are overrides that make it compose where the command line chooses nothing; ``hidden`` are groups that it
    does not take.
    """

    config: str
    usage: str
    examples: str
    without: Sequence[str] = ()
    hidden: Sequence[str] = ()


PRUNEEXP = Words(
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


def help_text(overrides: Sequence[str], folders: Sequence[Path] = (), words: Words = PRUNEEXP) -> str:
    """Usage, every group with its choices (those of the user's ``folders`` too), and every key with its present value.

    Raises:
        Exception: whatever Hydra raises for overrides that do not compose.
    """
    choices: dict[str, set[str]] = {}
    for folder in (conf_folder(), *folders):
        for path in folder.glob("*/**/*.yaml"):
            choices.setdefault(path.parent.relative_to(folder).as_posix(), set()).add(path.stem)
    groups = "\n".join(
        f"{group}: {', '.join(sorted(names))}" for group, names in sorted(choices.items()) if group not in words.hidden
    )
    search = search_path(folders)
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        keys = OmegaConf.to_yaml(compose(words.config, overrides=[*search, *words.without, *overrides]))
    return (
        f"{words.usage}\n== Groups and their choices ==\n{groups}\n\n"
        f"== Keys, with their values for the choices made ==\n{keys}\n== Examples ==\n{words.examples}"
    )
