"""A job made again from the configuration that its record holds; what is not of a result is of this command.

The places of the record, and the packages that it allowed, are those of the machine and the user that made it: both
are named anew.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from pruneexp.config.checks import validate
from pruneexp.config.groups import GROUPS, LABELS
from pruneexp.config.skeleton import Config
from pruneexp.config.sweep import own_modules
from pruneexp.errors import UserError, cause
from pruneexp.experiment.session import Session, open_session
from pruneexp.schema import MEASURES, PointIdentity
from pruneexp.signals import StopRequest


@dataclass(frozen=True)
class Surroundings:
    """What a user names anew: ``config_dir`` with code of theirs, packages to ``allow``, and keys to change.

    ``changes`` are as on a command line, such as ``data.root=DIR``.
    """

    store: Path
    config_dir: Path | None = None
    allow: Sequence[str] = ()
    changes: Sequence[str] = ()


def open_recorded(written: str, of: PointIdentity, around: Surroundings, stop: StopRequest) -> Session:
    """The session of the job that a recorded point belongs to; ``written`` is its configuration as YAML.

    It is on the device of the record, on the CPU where that is not here. Nothing is computed.

    Raises:
        UserError: the configuration does not fit this version or this machine, names code that is not allowed, or its
            data are others than those of the record.
    """
    folders = [] if around.config_dir is None else [str(around.config_dir.expanduser().absolute())]
    if folders and not Path(folders[0]).is_dir():
        raise UserError(f"--config-dir {around.config_dir}: there is no such folder")
    sys.path += [folder for folder in folders if folder not in sys.path]
    config, own = _config(written, of, around), own_modules(folders)
    validate(config, own)
    choices = {**dict.fromkeys(GROUPS, "default"), **{group: getattr(of, group) for group in LABELS}}
    session = open_session(config, choices, own, stop=stop)
    found = session.job.setting.learner.fingerprint
    if found != of.data_fingerprint:
        raise UserError(
            f"data={of.data} is not what it was when the point was recorded (fingerprint {found[:8]}, then "
            f"{of.data_fingerprint[:8]}): name where those data are now, as in --set data.root=FOLDER"
        )
    return session


def _config(written: str, of: PointIdentity, around: Surroundings) -> DictConfig:
    try:
        recorded = OmegaConf.to_container(OmegaConf.create(written))
        assert isinstance(recorded, dict)
        before = recorded.pop("runtime", {})
        _check_allowed(before.get("allow", []), around.allow)
        changes = OmegaConf.from_dotlist(list(around.changes))
        return cast(
            DictConfig,
            OmegaConf.merge(OmegaConf.structured(Config), recorded, _of_this_command(of, around, before), changes),
        )
    except (OmegaConfBaseException, YAMLError, AssertionError) as error:
        raise UserError(f"the configuration of the record does not fit this version: {cause(error)}") from error


def _check_allowed(recorded: Sequence[str], allow: Sequence[str]) -> None:
    if missing := sorted(set(recorded) - set(allow)):
        words = " ".join(f"--allow {package}" for package in missing)
        raise UserError(f"the record was made with code of {', '.join(missing)}: if you trust it, add {words}")


def _of_this_command(of: PointIdentity, around: Surroundings, before: Mapping[str, Any]) -> dict[str, Any]:
    """The curve with this point alone, or with the budgets that its rounds depend on, on the record's device."""
    plural = MEASURES[of.budget.kind].plural
    budgets = [float(value) for value in of.path.split(",")] if of.path else [of.budget.value]
    lists = {measure.plural: None for measure in MEASURES.values()}
    runtime = {"store": str(around.store), "allow": list(around.allow), "threads": before.get("threads")}
    return {
        "seed": of.seed,
        "plan": False,
        "device": of.device if of.device == "cpu" or torch.cuda.is_available() else "cpu",
        "curve": {**lists, plural: budgets},
        "runtime": runtime,
    }
