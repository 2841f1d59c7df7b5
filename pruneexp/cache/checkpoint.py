"""Checkpoints of a stage that is being computed: where a killed one goes on. Knows nothing of what is computed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pruneexp.cache import bundle, files
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import short
from pruneexp.cache.inventory import Usage
from pruneexp.signals import StopRequest, deferring_interrupts

if TYPE_CHECKING:
    from torch import Tensor


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
        stop: StopRequest | None = None,
        usage: Usage | None = None,
    ) -> None:
        """``usage`` is what else the process uses meanwhile; it is noted again while this key is being computed."""
        self._paths, self._key, self._every, self._say = paths, key, every, on_event
        self._stop, self._usage = stop or StopRequest(), usage or Usage(paths)
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether the set number of seconds has passed since the last save or the start, or a stop is requested."""
        return self._stop.signal is not None or time.monotonic() - self._saved >= self._every

    def stop_if_requested(self) -> None:
        """For work that takes seconds and saves nothing: raise ``Stopped`` if a stop is requested."""
        self._usage.renew()
        self._stop.stop_if_requested()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors (on the CPU) and state of the last save, or None; a damaged save is reported and ignored.

        Raises:
            UserError: the disk refuses.
        """
        with files.explained(self._paths.root):
            saves = self._paths.saves(self._key)
            try:
                found = bundle.read(saves[-1], self._key) if saves else None
            except bundle.DamageError as damage:
                self._say(f"The checkpoint of {short(self._key)} is damaged ({damage}) and is ignored.")
                return None
        return None if found is None else (dict(found.tensors), dict(found.record))

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the last save, all or nothing. ``state`` is JSON-able.

        Raises:
            Stopped: saved, and a stop is requested.
            ValueError: a tensor or a value of the state cannot be written; names it.
            UserError: the disk refuses; the save before this one is kept.
        """
        with deferring_interrupts(), files.explained(self._paths.root):
            before = self._paths.saves(self._key)
            number = 1 + (int(before[-1].name) if before else 0)
            with files.drafted(self._paths.draft(self._key)) as draft:
                bundle.write(draft, bundle.Artefact(tensors, state), key=self._key, kind="checkpoint")
                files.publish(draft, self._paths.checkpoints(self._key) / f"{number:08d}")
            for folder in before:
                shutil.rmtree(folder, ignore_errors=True)
        self._saved = time.monotonic()
        self.stop_if_requested()
