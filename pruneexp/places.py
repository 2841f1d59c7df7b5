"""Where things lie by default, below the folder a command is given in. Knows nothing of what lies there."""

from __future__ import annotations

from pathlib import Path

_OURS = Path(".pruneexp")

#: What was computed: ``runtime.store``.
STORE = _OURS / "store"
#: Records that wait for a tracking store that cannot be written.
SPOOL = _OURS / "spool"
#: Where each job of a sweep stands: ``runtime.sweeps``.
SWEEPS = _OURS / "sweeps"


def journal(study: str) -> Path:
    """The file of a study of Optuna's that no database holds."""
    return _OURS / "studies" / f"{study}.journal"
