"""The groups that a command line chooses from, each exactly once, and the sentences for what is no such choice."""

from __future__ import annotations

from collections.abc import Sequence

from pruneexp.errors import UserError

#: Groups without which there is no job.
NEEDED = ("model", "data", "reg", "dropout", "criterion", "schedule", "mode")
GROUPS = (*NEEDED[:2], "train", *NEEDED[2:], "experiment", "study")

#: How groups that may be empty are left empty.
MAY_BE_LEFT_OUT = {
    "train": "to leave the recipe out, write ~train",
    "experiment": "to run without a preset, leave experiment out",
}
#: How several choices are run by a command that sweeps.
BY_SWEEPING = "-m {}"


def several(group: str, choices: Sequence[object], way: str = BY_SWEEPING) -> UserError:
    """What is said to somebody who lists choices; ``way`` to run them all has a place for ``reg=l1,l2``."""
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
