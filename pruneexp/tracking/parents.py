"""The run that points belong to, by everything that it is made of, before any store has heard of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Parent:
    """A curve or a search; ``key`` is what it is found by again.

    An empty ``name`` is made of the ``params``. ``environment`` is what ``pruneexp.provenance.environment`` returns;
    its git commit is put on the points too, and so are the ``tags`` and the name.
    """

    kind: Literal["curve", "study"]
    key: str
    name: str
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    config_yaml: str
    environment: Mapping[str, Any]
