"""A part of a job: an object, and the plain data that identify it. Knows nothing of what the object is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Where the digests of code stand beside the values of a node: a name that no argument has.
SOURCES = "_sources_"


@dataclass(frozen=True)
class Part(Generic[T]):
    """``identity`` is what decides the numbers of ``value``: plain data, which keys, labels and hashes are made of.

    Beside each ``_target_`` that is not ours stand the digests of its code, under ``SOURCES``.
    """

    value: T
    identity: Mapping[str, Any]

    def changed(self, *inside: str, **fields: Any) -> Part[T]:
        """The same part with other fields, in its value and in its identity.

        ``inside`` leads to the attribute of the value, a dataclass with a place of its own in the identity, that has
        the fields; without it, the value itself has them.

        Raises:
            TypeError: the object has no field of such a name.
        """
        if not inside:
            return Part(replace(self.value, **fields), {**self.identity, **fields})  # type: ignore[type-var]
        name, *deeper = inside
        inner = Part(getattr(self.value, name), self.identity[name]).changed(*deeper, **fields)
        return Part(replace(self.value, **{name: inner.value}), {**self.identity, name: inner.identity})  # type: ignore[type-var]


def code_of(identity: Any) -> dict[str, str]:
    """The digests of all code that an identity names, those of parts within it included."""
    if isinstance(identity, list):
        identity = dict(enumerate(identity))
    if not isinstance(identity, Mapping):
        return {}
    code = dict(identity.get(SOURCES, {}))
    for name, inner in identity.items():
        code |= {} if name == SOURCES else code_of(inner)
    return code
