"""The groups that a command line chooses from, in one table, and the sentences for what is no single choice of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp.errors import UserError


@dataclass(frozen=True)
class ConfigGroup:
    """A row of the table: what is so of every choice of a group, a third party's included.

    ``packages`` hold the code that a ``_target_`` of ours names. A group may be empty where ``left_out`` says how it is
    left empty; ``needed`` says that there is no job without it. ``label``: whether the name of the choice is a label of
    points. ``contents`` and ``places`` are the keys that ``kinds.kind_of`` calls so.
    """

    name: str
    packages: tuple[str, ...] = ()
    needed: bool = True
    label: bool = True
    left_out: str = ""
    contents: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


TABLE = (
    ConfigGroup("model", ("pruneexp.models", "torch.nn", "torchvision.models")),
    ConfigGroup("data", ("pruneexp.data",), contents=("root",), places=("download", "workers")),
    ConfigGroup("train", needed=False, left_out="to leave the recipe out, write ~train"),
    ConfigGroup("reg", ("pruneexp.training.regularizers",)),
    ConfigGroup("dropout", ("pruneexp.training.dropout",)),
    ConfigGroup("criterion", ("pruneexp.pruning.criteria", "pruneexp.pruning.allocations")),
    ConfigGroup("schedule", ("pruneexp.pruning.schedules",)),
    ConfigGroup("mode", ("pruneexp.modes",)),
    ConfigGroup("experiment", needed=False, label=False, left_out="to run without a preset, leave experiment out"),
    ConfigGroup(
        "study",
        needed=False,
        label=False,
        # Limits of a search, and where it is kept: asked again with others, it goes on.
        places=(
            "name",
            "trials",
            "minutes",
            "finalists",
            "lowest",
            "tolerance",
            "confidence",
            "storage",
            "stale_seconds",
            "memory_gib",
        ),
    ),
)

GROUPS = tuple(group.name for group in TABLE)
#: Groups without which there is no job.
NEEDED = tuple(group.name for group in TABLE if group.needed)
#: Groups whose choice is a label of points.
LABELS = tuple(group.name for group in TABLE if group.label)
#: How groups that may be empty are left empty.
MAY_BE_LEFT_OUT = {group.name: group.left_out for group in TABLE if group.left_out}
#: How several choices are run by a command that sweeps.
BY_SWEEPING = "-m {}"


def several(group: str, choices: Sequence[object], way: str = BY_SWEEPING) -> UserError:
    """The sentence for a list of choices; ``way`` to run them all has a place for ``reg=l1,l2``."""
    line = f"{group}={','.join(map(str, choices))}"
    if len(choices) == 1:
        return UserError(f"{group} takes one choice, not a list: write {line}")
    if not choices:
        return UserError(f"{group} takes one choice, and this list has none")
    number = "both" if len(choices) == 2 else "all"
    return UserError(f"{group} takes one choice; to run {number}: {way.replace('{}', line)}")


def nothing(group: str, said: str, choices: Sequence[str]) -> UserError:
    """What is said where nothing is chosen; ``said`` is how it was put."""
    if group in MAY_BE_LEFT_OUT:
        return UserError(f"{said}: {MAY_BE_LEFT_OUT[group]}")
    none = f"; {group}=none is one of them" if "none" in choices else ""
    return UserError(f"{said}: {group} needs a choice, and there are {', '.join(choices)}{none}")
