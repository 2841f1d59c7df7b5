"""Names and paths of one sweep, and how its files are written: whole or not at all."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

from pruneexp.errors import UserError

#: What a name may look like: it is the name of a folder, and a value in a tag and on a command line.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class SweepFolder:
    """The folder of the sweep ``name`` below ``root``; nothing is created by naming it.

    Raises:
        UserError: the name cannot be that of a folder below ``root``.
    """

    root: Path
    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"runtime.sweep={self.name}: the name of a sweep is 1 to 100 letters, digits, dots, dashes and "
                "underscores, and starts with none of the dots and dashes"
            )

    @property
    def path(self) -> Path:
        return self.root / self.name

    @property
    def definition(self) -> Path:
        """What the sweep asked for."""
        return self.path / "definition.yaml"

    @property
    def command(self) -> Path:
        """How it was started last."""
        return self.path / "command.json"

    def state(self, number: int) -> Path:
        """Where a job stands."""
        return self.path / f"{number:05d}.json"

    def lock(self, number: int) -> Path:
        """Held by the process that runs the job."""
        return self.path / f"{number:05d}.lock"

    def log(self, number: int) -> Path:
        """What a job says where it must not say it in somebody's terminal."""
        return self.path / f"{number:05d}.log"


def sweeps_in(root: Path) -> list[SweepFolder]:
    """Every sweep below ``root``, the one that was defined last first."""
    defined = [path for path in root.glob("*/definition.yaml") if _NAME.fullmatch(path.parent.name)]
    defined.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [SweepFolder(root, path.parent.name) for path in defined]


def write(path: Path, text: str) -> None:
    """Replace a file in one step, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}.partial")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
