"""Checkpoints of a stage that is being computed: where a killed one goes on. Knows nothing of what is computed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pruneexp.cache import bundle, files
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import short
from pruneexp.signals import StopRequest

if TYPE_CHECKING:
    from torch import Tensor


class Checkpoint:
    """The last saved position of one key, for the holder of the key's lock.

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
        stop: StopRequest,
    ) -> None:
        self._paths, self._key, self._every, self._say, self._stop = paths, key, every, on_event, stop
        self._saved = time.monotonic()

    @property
    def key(self) -> str:
        """Of the result that is being computed."""
        return self._key

    def due(self) -> bool:
        """Whether ``every`` seconds have passed since the last save or the start, or a stop is requested."""
        return self._stop.signal is not None or time.monotonic() - self._saved >= self._every

    def stop_if_requested(self) -> None:
        """For work that takes seconds and saves nothing: raise ``Stopped`` if a stop is requested."""
        self._stop.stop_if_requested()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors (on the CPU) and state of the last save, or None; a damaged save is reported and ignored.

        Raises:
            UserError: the disk refuses.
        """
        newest = max(self._saves(), default=None)
        if newest is None:
            return None
        with files.explained(self._paths.root):
            try:
                found = bundle.read(newest, self._key)
            except bundle.DamageError as damage:
                self._say(f"The checkpoint of {short(self._key)} is damaged ({damage}) and is ignored.")
                return None
        return dict(found.tensors), dict(found.record)

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the last save, all or nothing. ``state`` is JSON-able.

        Raises:
            Stopped: saved, and a stop is requested.
            ValueError: a tensor or a value of the state cannot be written; names it.
            UserError: the disk refuses; the save before this one is kept.
        """
        before = self._saves()
        number = 1 + max((int(folder.name) for folder in before), default=0)
        with files.written(self._paths, self._key, self._paths.checkpoints(self._key) / f"{number:08d}") as draft:
            bundle.write(draft, bundle.Artefact(tensors, state), key=self._key, kind="checkpoint")
        for folder in before:
            shutil.rmtree(folder, ignore_errors=True)
        self._saved = time.monotonic()
        self._stop.stop_if_requested()

    def _saves(self) -> list[Path]:
        return list(self._paths.checkpoints(self._key).glob("*"))
