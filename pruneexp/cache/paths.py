"""Every file name of the store. Knows no file's content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.json"
RECORD = "record.json"
TENSORS = "tensors.safetensors"


@dataclass(frozen=True)
class Paths:
    """Where things lie below ``root``; all of it on one file system, so that a rename is atomic."""

    root: Path

    def artefact(self, key: str) -> Path:
        """Folder of a finished result; two leading digits keep every folder small."""
        return self.root / "artefacts" / key[:2] / key

    def work(self) -> Path:
        """Folder of everything that is being computed."""
        return self.root / "work"

    def checkpoints(self, key: str) -> Path:
        """Folder of an unfinished result's checkpoints, one numbered folder each."""
        return self.work() / key

    def drafts(self) -> Path:
        """Folder of everything that is being written or removed."""
        return self.root / "tmp"

    def draft(self, key: str) -> Path:
        """What the holder of the key's lock is writing; without a holder, what a killed one left."""
        return self.drafts() / key

    def damaged(self, key: str) -> Path:
        """Where a damaged result is set aside; only the last one of a key is kept."""
        return self.root / "damaged" / key

    def locks(self) -> Path:
        """Folder of the lock files."""
        return self.root / "locks"

    def lock(self, key: str) -> Path:
        """Lock file of a key; exists only while a process holds it, or after that process was killed."""
        return self.locks() / f"{key}.lock"
