"""What each key of a configuration is: a number, a content or a place. A key that says nothing is a number.

The skeleton's keys say it in their fields (``skeleton.CONTENT``, ``skeleton.PLACE``), those of choices in the row of
their group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal

from pruneexp.config.groups import TABLE
from pruneexp.config.skeleton import KIND, Config

Kind = Literal["number", "content", "place"]


def kind_of(key: str) -> Kind:
    """How a dotted key takes part in identities.

    The value of a *number* is hashed. Of a *content*, what the value names is hashed (a data set, a file of weights),
    and not its name. A *place*, which changes no result, is never hashed.
    """
    first, _, rest = key.partition(".")
    for group in TABLE:
        if group.name == first and rest.partition(".")[0] in group.contents:
            return "content"
        if group.name == first and rest.partition(".")[0] in group.places:
            return "place"
    return _declared(Config, key)


def numbers(path: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """The keys at ``path`` of a configuration whose values are hashed, with these values."""
    return {key: value for key, value in node.items() if kind_of(f"{path}.{key}") == "number"}


def _declared(node: Any, key: str) -> Kind:
    """The kind of a key of the skeleton, or of the branch that it hangs on."""
    first, _, rest = key.partition(".")
    for field in fields(node):
        if field.name == first and KIND in field.metadata:
            kind: Kind = field.metadata[KIND]
            return kind
        branch: Any = field.default_factory
        if field.name == first and rest and is_dataclass(branch):
            return _declared(branch, rest)
    return "number"
