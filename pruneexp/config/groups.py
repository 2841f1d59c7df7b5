"""The groups that a command line chooses from, in one table, and how each key takes part in identities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class ConfigGroup:
    """A row of the table: what is so of every choice of a group, a third party's included.

    ``packages`` hold the code that a ``_target_`` of ours names. Without a choice of a ``needed`` group there is no
    job. ``label``: whether the name of the choice is a label of points.
    """

    name: str
    packages: tuple[str, ...] = ()
    needed: bool = True
    label: bool = True


TABLE = (
    ConfigGroup("model", ("pruneexp.models", "torch.nn", "torchvision.models")),
    ConfigGroup("data", ("pruneexp.data", "pruneexp.tasks")),
    ConfigGroup("train", ("pruneexp.training.trainers",), needed=False),
    ConfigGroup("reg", ("pruneexp.training.regularizers",)),
    ConfigGroup("dropout", ("pruneexp.training.dropout",)),
    ConfigGroup(
        "criterion",
        (
            "pruneexp.pruning.criteria",
            "pruneexp.pruning.allocations",
            "pruneexp.pruning.units",
            "pruneexp.pruning.edits",
        ),
    ),
    ConfigGroup("schedule", ("pruneexp.pruning.schedules",)),
    ConfigGroup("mode", ("pruneexp.modes",)),
    ConfigGroup("experiment", needed=False, label=False),
    ConfigGroup("study", needed=False, label=False),
)

GROUPS = tuple(group.name for group in TABLE)
NEEDED = tuple(group.name for group in TABLE if group.needed)
LABELS = tuple(group.name for group in TABLE if group.label)

Kind = Literal["number", "content", "default", "place"]

#: The keys that are no numbers, each with all that lies below it.
KINDS: Mapping[Kind, tuple[str, ...]] = {
    "content": ("data.root", "train.start_from"),
    "default": ("penalties",),
    # Of a study: limits of the search, and where it is kept; asked again with others, it goes on.
    "place": ("device", "plan", "runtime", "data.download", "data.workers", "data.memory_gib",
              "study.name", "study.trials", "study.minutes", "study.finalists", "study.lowest", "study.tolerance",
              "study.confidence", "study.storage", "study.stale_seconds", "study.memory_gib"),
}  # fmt: skip


def kind_of(key: str) -> Kind:
    """How a dotted key takes part in identities.

    The value of a *number* is hashed; a key that stands in no list is one. Of a *content*, what the value names is
    hashed (a data set, a file of weights), and not its name. A *default* is hashed where another key takes its value
    from it. A *place*, which changes no result, is never hashed.
    """
    for kind, keys in KINDS.items():
        if any(f"{key}.".startswith(f"{each}.") for each in keys):
            return kind
    return "number"


def numbers(path: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """The keys at ``path`` of a configuration whose values are hashed, with these values."""
    return {key: value for key, value in node.items() if kind_of(f"{path}.{key}") == "number"}
