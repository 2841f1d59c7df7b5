"""The jobs that a command asks for: numbered, composed, checked. Runs and writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from pruneexp.config import checks
from pruneexp.config.choices import check_lines, check_own_sweep, choices_of, search_folders
from pruneexp.config.sweep import own_modules
from pruneexp.errors import UserError
from pruneexp.jobs import definition
from pruneexp.jobs.folder import SweepFolder
from sweeps import files, grid


@dataclass(frozen=True)
class Composed:
    """One job, ready to be planned; ``config`` is what it will find, ``own`` are modules of the user's."""

    overrides: tuple[str, ...]
    config: DictConfig
    choices: Mapping[str, str]
    own: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    folder: SweepFolder
    definition: definition.Definition
    jobs: tuple[Composed, ...]
    folders: tuple[str, ...]


def request(
    config: DictConfig,
    loader: ConfigLoader,
    arguments: Sequence[str],
    params: Mapping[str, object],
    file: str | None,
) -> Request:
    """Every job of a command line, composed and checked.

    Raises:
        UserError: a job is not allowed, or the sweep's name was used for another sweep.
        Exception: whatever Hydra raises for what does not compose.
    """
    jobs = _product(loader, arguments, params) if file is None else _listed(loader, arguments, Path(file).expanduser())
    wanted = definition.definition(jobs)
    name = config.runtime.sweep or definition.automatic_name(wanted)
    folder = SweepFolder(Path(config.runtime.sweeps).expanduser(), name)
    definition.check(folder, wanted)
    composed = tuple(_composed(config, loader, [*job, *_place(name, n)]) for n, job in enumerate(jobs))
    return Request(folder, wanted, composed, tuple(search_folders(config.hydra)))


def _place(name: str, number: int) -> tuple[str, str]:
    return f"++runtime.sweep={grid.text(name)}", f"++runtime.job={number}"


def _product(loader: ConfigLoader, arguments: Sequence[str], params: Mapping[str, object]) -> list[list[str]]:
    """What Hydra's own sweeper makes of a command line."""
    preset = [f"{key}={value}" for key, value in params.items()]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*preset, *arguments])
    return [list(job) for job in BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]]


def _listed(loader: ConfigLoader, arguments: Sequence[str], file: Path) -> list[list[str]]:
    """The jobs of a file, each with what the command line adds or overrules."""
    found = files.read(file)
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(list(arguments))
    swept = found.swept()
    typed: dict[str, str] = {}
    for override in parsed:
        key, line = override.key_or_group, str(override.input_line)
        if override.is_sweep_override():
            raise UserError(f"{line}: what is swept stands in {file}; the command line can only fix values")
        if key in {each.lstrip("+~") for each in swept}:
            raise UserError(f"{line}: {file} sweeps {key}; change it there, or copy the file")
        typed[key] = line
    return [[*_without(job, typed), *typed.values()] for job in found.jobs()]


def _without(job: grid.Job, typed: Collection[str]) -> list[str]:
    """The overrides of a job, but for what the command line says instead."""
    return grid.overrides({key: value for key, value in job.items() if key.lstrip("+~") not in typed})


def _composed(config: DictConfig, loader: ConfigLoader, overrides: Sequence[str]) -> Composed:
    """A job, checked."""
    check_lines(overrides, [Path(folder) for folder in search_folders(config.hydra)])
    whole = loader.load_sweep_config(config, list(overrides))
    own = tuple(own_modules(search_folders(whole.hydra)))
    job = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
    check_own_sweep(whole, config)
    checks.validate(job, own)
    return Composed(tuple(overrides), job, choices_of(whole.hydra), own)
