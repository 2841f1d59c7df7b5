"""What must be installed for a launcher to run the jobs of a sweep elsewhere."""

from __future__ import annotations

from importlib.util import find_spec

from pruneexp.errors import UserError

#: The package that a launcher needs; the extra of this project that brings it has the launcher's name.
PACKAGES = {"slurm": "submitit", "ray": "ray"}


def check_installed(name: str) -> None:
    """Refuse a launcher whose package is missing; called when the launcher is set up, before any job.

    Raises:
        UserError: names the command that installs it.
    """
    if find_spec(PACKAGES[name]) is None:
        raise UserError(
            f"hydra/launcher={name} needs {PACKAGES[name]}, which is not installed: pip install -e '.[{name}]'"
        )
