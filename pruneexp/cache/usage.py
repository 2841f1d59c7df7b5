"""When results were last used, as the times of their files say: what is collected goes by it. Knows no content."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from pruneexp.cache.paths import MANIFEST, Paths

#: Seconds after which a process notes again what it uses: seldom enough for plans of hundreds of keys to stay fast.
NOTED_EVERY = 3600.0


class Usage:
    """The keys that this process planned with or read; each is noted at once, and all of them again every hour.

    Again, because a job may read at its end what it planned with at its beginning, weeks ago.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._keys: set[str] = set()
        self._noted = time.monotonic()

    def add(self, key: str) -> None:
        """Note that a result, or the checkpoint of one that is yet to come, is used."""
        if key not in self._keys:
            self._keys.add(key)
            self._note(key)
        self.renew()

    def renew(self) -> None:
        """Note all keys again, if the hour is over; called by everything that goes on for long."""
        if time.monotonic() - self._noted >= NOTED_EVERY:
            self._noted = time.monotonic()
            for key in self._keys:
                self._note(key)

    def _note(self, key: str) -> None:
        for path in (self._paths.artefact(key) / MANIFEST, self._paths.checkpoints(key)):
            with suppress(OSError):  # it is not there, or another user's
                os.utime(path)
                return
