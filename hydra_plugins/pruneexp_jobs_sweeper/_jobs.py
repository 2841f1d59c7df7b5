"""The jobs that a command asks for: numbered, composed, checked. Runs and writes nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from pruneexp.config.choices import check_choices, check_own_sweep, search_folders
from pruneexp.config.groups import GROUPS
from pruneexp.config.sweep import checked
from pruneexp.errors import UserError
from pruneexp.jobs.folder import Jobs, SweepFolder, automatic_name, definition
from sweeps import files, grid


@dataclass(frozen=True)
class ComposedJob:
    """One job, ready to be planned; ``config`` is what it will find, ``own`` are modules of the user's."""

    overrides: tuple[str, ...]
    config: DictConfig
    choices: Mapping[str, str]
    own: tuple[str, ...]


@dataclass(frozen=True)
class ListedSweep:
    """Every job of a sweep, by number; ``definition`` is what its folder keeps of them."""

    folder: SweepFolder
    definition: Jobs
    jobs: tuple[ComposedJob, ...]


def listed(
    config: DictConfig, loader: ConfigLoader, arguments: Sequence[str], params: Mapping[str, object], file: str | None
) -> ListedSweep:
    """Every job of a command line, composed and checked.

    Raises:
        UserError: a job is not allowed, or the sweep's name was used for another sweep.
        Exception: Hydra's own, for what does not compose.
    """
    if file is None:
        jobs = of_product(loader, [*(f"{key}={value}" for key, value in params.items()), *arguments])
    else:
        jobs = _of_file(loader, Path(file).expanduser(), arguments)
    wanted = definition(jobs)
    folder = SweepFolder(Path(config.runtime.sweeps).expanduser(), config.runtime.sweep or automatic_name(wanted))
    folder.check(wanted)
    name = grid.text(folder.name)
    for chosen in {tuple(line for line in job if line.lstrip("+~").partition("=")[0] in GROUPS) for job in jobs}:
        check_choices(loader, "config", [*config.hydra.overrides.hydra, *chosen], search_folders(config.hydra))
    compositions = Compositions(config, loader)
    numbered = [[*job, f"++runtime.sweep={name}", f"++runtime.job={number}"] for number, job in enumerate(jobs)]
    composed = [_composed(config, compositions(lines), lines) for lines in numbered]
    return ListedSweep(folder, wanted, tuple(composed))


def of_product(loader: ConfigLoader, lines: Sequence[str]) -> list[list[str]]:
    """What Hydra's own sweeper makes of a command line."""
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(lines))
    return [list(job) for job in BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]]


def _of_file(loader: ConfigLoader, file: Path, arguments: Sequence[str]) -> list[list[str]]:
    """The jobs of a file, each with what the command line adds or overrules."""
    found = files.read(file)
    swept = {key.lstrip("+~") for key in found.swept()}
    typed: dict[str, str] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        key, line = override.key_or_group, str(override.input_line)
        if override.is_sweep_override() or key in swept:
            raise UserError(f"{line}: what is swept stands in {file}; the command line can only fix other values")
        typed[key] = line
    jobs = ({key: value for key, value in job.items() if key.lstrip("+~") not in typed} for job in found.jobs())
    return [[*grid.overrides(job), *typed.values()] for job in jobs]


class Compositions:
    """Compositions of jobs: one for all that differ in values alone, which are set in copies of it.

    A copy takes a fifth of the time of a composition from files.
    """

    def __init__(self, config: DictConfig, loader: ConfigLoader) -> None:
        self._config, self._loader = config, loader
        self._parser = OverridesParser.create(config_loader=loader)
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, lines: Sequence[str]) -> DictConfig:
        """As ``load_sweep_config`` composes them, but that Hydra's own node repeats another job's overrides."""
        parsed = self._parser.parse_overrides(list(lines))
        alike = tuple(str(each.get_key_element()) if _is_value(each) else str(each.input_line) for each in parsed)
        if alike not in self._composed:
            self._composed[alike] = self._loader.load_sweep_config(self._config, list(lines))
        whole = copy.deepcopy(self._composed[alike])
        values = [each for each in parsed if _is_value(each)]
        ConfigLoaderImpl._apply_overrides_to_config(values, whole)  # noqa: SLF001  as Hydra itself does at the end
        return whole


def _is_value(override: Override) -> bool:
    """Whether an override sets a key, and chooses no file of a group."""
    key = override.key_or_group
    names_file = key in GROUPS or "/" in key or key.startswith("hydra")
    merges = isinstance(override.value(), dict)  # into what another job's override has left
    return not (override.is_add() or override.is_delete() or names_file or merges)


def _composed(config: DictConfig, whole: DictConfig, overrides: Sequence[str]) -> ComposedJob:
    """A job, checked."""
    check_own_sweep(whole, config)
    job, choices, own = checked(whole)
    return ComposedJob(tuple(overrides), job, choices, tuple(own))
