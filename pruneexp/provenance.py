"""Under what a number was made: revision of the code, versions of the packages, and the machine.

Imports neither torch nor any package it names; the caller, who has torch, says what accelerator it used.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pruneexp

#: What changes numbers, or how they are recorded.
PACKAGES = ("torch", "torchvision", "timm", "numpy", "pandas", "pillow", "safetensors", "mlxtend", "hydra-core",
            "omegaconf", "mlflow", "optuna")  # fmt: skip


def revision(folder: Path) -> dict[str, str | bool | None]:
    """The ``commit`` of the repository that tracks ``folder``, and whether the folder is ``dirty``, new files included.

    Unknown where none does, also inside somebody else's repository: an installed package lies in a virtual
    environment, and that often lies in a repository of another project.
    """
    tracked, commit = _git(folder, "ls-files", "--", "."), _git(folder, "rev-parse", "HEAD")
    if not tracked or not commit:
        return {"commit": "unknown", "dirty": None}
    changes = _git(folder, "status", "--porcelain", "--", ".")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


@cache  # of one process, whose code stays as it was loaded
def environment(*, accelerator: str | None = None, threads: int | None = None) -> dict[str, Any]:
    """What the record keeps of code, packages and machine; nested, and can be written as JSON.

    ``accelerator`` is the name of the GPU used, ``threads`` compute on the CPU: the last bits of a sum depend on them.
    """
    packages = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    machine = {"platform": platform.platform(), "host": platform.node(), "processor": _processor()}
    return {
        "pruneexp": pruneexp.__version__,
        "git": revision(Path(pruneexp.__file__).parent),
        "python": platform.python_version(),
        "packages": packages,
        "machine": {**machine, "cpus": os.cpu_count(), "threads": threads, "accelerator": accelerator},
    }


def _git(folder: Path, *command: str) -> str | None:
    # GIT_DIR and its like, set by a hook or a script, would answer for another repository.
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    words = ["git", "--no-optional-locks", "-C", str(folder), *command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10.0, env=surroundings, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _processor() -> str:
    """The model name Linux gives; ``platform.processor`` is empty or just the architecture there."""
    with suppress(OSError):
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if model := re.search(r"^model name\s*:\s*(.+)$", facts, re.MULTILINE):
            return model[1].strip()
    return platform.processor() or platform.machine()
