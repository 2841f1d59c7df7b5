"""What jobs that are only planned have alike is made once for all of them: data, and what a trial of a network shows.

Jobs that compute make theirs anew: they may change it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pruneexp.cache.identity import canonical

Made = TypeVar("Made")


@dataclass(frozen=True)
class Alike:
    """Things by the plain data that decide them; ``keeps`` says whether anything is kept at all."""

    keeps: bool = False
    _made: dict[str, Any] = field(default_factory=dict)

    def once(self, what: object, make: Callable[[], Made]) -> Made:
        """What was made for the same data before, else what ``make`` makes now."""
        if not self.keeps:
            return make()
        key = canonical(what)
        if key not in self._made:
            self._made[key] = make()
        found: Made = self._made[key]
        return found


#: Nothing is kept.
ANEW = Alike()
