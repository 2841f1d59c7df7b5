"""Checkpoints of a stage that is being computed: where a killed one goes on. Knows nothing of what is computed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pruneexp.cache import bundle, files
from pruneexp.cache.identity import short
from pruneexp.cache.paths import Paths
from pruneexp.cache.usage import Usage
from pruneexp.interrupts import finished_first
from pruneexp.notice import Notice

if TYPE_CHECKING:
    from torch import Tensor

KIND = "checkpoint"


class Checkpoint:
    """The last saved position of one key. Only the holder of the key's lock may use it.

    Each save is a numbered bundle that is renamed into place before its predecessor is removed: killed at any moment,
    the last complete one remains.
    """

    def __init__(
        self,
        paths: Paths,
        key: str,
        *,
        every: float,
        on_event: Callable[[str], None],
        notice: Notice | None = None,
        usage: Usage | None = None,
    ) -> None:
        """``usage`` is what else the process uses meanwhile; it is noted again while this key is being computed."""
        self._notice, self._usage = notice or Notice(), usage or Usage(paths)
        self._root, self._key, self._every, self._say = paths.root, key, every, on_event
        self._folder, self._draft = paths.checkpoints(key), paths.draft(key)
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether the set number of seconds has passed since the last save, or since the start; or notice was given."""
        return self._notice.given or time.monotonic() - self._saved >= self._every

    def heed(self) -> None:
        """For work that takes seconds and saves nothing: leave where the process has been told to.

        Raises:
            Leaving: it has.
        """
        self._usage.renew()
        self._notice.heed()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors (on the CPU) and state of the last save, or None; a damaged save is reported and ignored.

        Raises:
            UserError: the disk refuses, or a newer version of this project wrote the checkpoint.
        """
        with files.explained(self._root):
            for folder in reversed(self._saves()):
                try:
                    found = bundle.read(folder, self._key)
                except bundle.DamageError as damage:
                    self._say(f"The checkpoint of {short(self._key)} is damaged ({damage}) and is ignored.")
                    continue
                if found is not None:
                    return dict(found.tensors), dict(found.record)
        return None

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the last save, all or nothing. ``state`` is JSON-able.

        Raises:
            Leaving: saved, and the process has been told to leave.
            ValueError: a tensor or a value of the state cannot be written; names it.
            UserError: the disk refuses; the save before this one is kept.
        """
        with finished_first(), files.explained(self._root):
            before = self._saves()
            number = 1 + (int(before[-1].name) if before else 0)
            with files.drafted(self._draft) as draft:
                bundle.write(draft, bundle.Artefact(tensors, state), key=self._key, kind=KIND)
                files.publish(draft, self._folder / f"{number:08d}")
            for folder in before:
                shutil.rmtree(folder, ignore_errors=True)
        self._saved = time.monotonic()
        self.heed()

    def _saves(self) -> list[Path]:
        if not self._folder.exists():
            return []
        return sorted(folder for folder in self._folder.iterdir() if folder.name.isdigit())
