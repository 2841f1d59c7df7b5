"""Launchers: where the jobs of a sweep run, and what must be installed for it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from pruneexp.errors import UserError

#: The package that a launcher needs; the extra of this project that brings it has the launcher's name.
PACKAGES = {"slurm": "submitit", "ray": "ray"}


@dataclass
class OneMachine:
    """``hydra/launcher=joblib``: several jobs at once on one machine.

    ``n_jobs`` of -1 is one for each core; never more run than there are jobs, or slots on the GPUs. ``timeout`` is in
    seconds for one job. The others are joblib's.
    """

    _target_: str = "hydra_plugins.pruneexp_launchers.joblib_launcher.OneMachineLauncher"
    n_jobs: int = -1
    verbose: int = 0
    timeout: float | None = None
    pre_dispatch: str = "2*n_jobs"
    batch_size: str = "1"


def register() -> None:
    """Put our way of running jobs side by side before that of the published plugin, which goes by the same name.

    A file in ``conf`` would not do: Hydra warns of a file that is named like what a plugin has registered.
    """
    Plugins.instance()  # registers the plugin's; what is stored later wins
    ConfigStore.instance().store(group="hydra/launcher", name="joblib", node=OneMachine, provider="pruneexp")


def check_installed(name: str) -> None:
    """Refuse a launcher whose package is missing; called when the launcher is set up, before any job.

    Raises:
        UserError: names the command that installs it.
    """
    if find_spec(PACKAGES[name]) is None:
        raise UserError(
            f"hydra/launcher={name} needs {PACKAGES[name]}, which is not installed: pip install -e '.[{name}]'"
        )
