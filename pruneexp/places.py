"""Where things lie by default, below the folder a command is given in. Knows nothing of what lies there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_OURS = Path(".pruneexp")

#: What was computed: ``runtime.store``.
STORE = _OURS / "store"
#: Which result stores owe records that a tracking store did not take when this folder's commands ended.
OWED = _OURS / "owed"
#: Where each job of a sweep stands: ``runtime.sweeps``.
SWEEPS = _OURS / "sweeps"


def digests(folder: Path) -> Path:
    """The file with what the images in a folder held when they were read, below the folder a command is given in.

    A folder of the same name on another machine, with another number on its disk, has a file of its own.

    Raises:
        OSError: there is no such folder.
    """
    there = f"{os.path.realpath(folder)}\n{folder.stat().st_ino}"
    return _OURS / "digests" / f"{hashlib.sha256(os.fsencode(there)).hexdigest()[:16]}.npz"


def journal(study: str) -> Path:
    """The file of a study of Optuna's that no database holds."""
    return _OURS / "studies" / f"{study}.journal"
