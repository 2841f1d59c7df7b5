"""Trainings of several routes at once: what is missing of one level and may share a trainer is trained side by side.

What cannot be trained so is left to the ``Runner``, which computes it on demand, with the same numbers.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.stages.graph import Route, Runner, Stage
from pruneexp.stages.train import Train, trained


def train_together(runner: Runner, routes: Sequence[Route]) -> None:
    """Train what these routes lack and several of them can have at once; the milder rounds of a schedule come first.

    A training that diverges, or lacks a parent, is left out: it raises when its point is asked for.

    Raises:
        Stopped: a stop is requested.
        UserError: the disk refuses.
    """
    groups: dict[Hashable, dict[str, Stage]] = {}
    for stage in (step for route in routes for step in route.steps):
        group = stage.make.group if isinstance(stage.make, Train) else None
        if group is not None:
            groups.setdefault((stage.level, stage.kind, group), {})[stage.key] = stage
    for stages in sorted((tuple(group.values()) for group in groups.values()), key=lambda stages: stages[0].level):
        if len(stages) > 1:
            runner.make_together(stages, _trained)


def _trained(
    stages: Sequence[Stage], parents: Sequence[tuple[Artefact, ...]], checkpoint: Checkpoint
) -> Iterator[tuple[Stage, Artefact | Exception]]:
    works = [stage.make for stage in stages if isinstance(stage.make, Train)]
    keys = [stage.key for stage in stages]
    results = trained(works, parents, GroupCheckpoint(checkpoint, keys), keys)
    return ((stage, result) for stage, result in zip(stages, results, strict=True))


class GroupCheckpoint:
    """The checkpoint of a group for those of its trainings that have these ``keys``.

    A save of others, some of which were finished since or are computed by another process, is passed over: what is left
    begins anew, with the same numbers.
    """

    def __init__(self, whole: Checkpoint, keys: Sequence[str]) -> None:
        self._whole, self._keys = whole, list(keys)

    def due(self) -> bool:
        return self._whole.due()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        found = self._whole.load()
        return found if found is not None and found[1]["keys"] == self._keys else None

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self._whole.save(tensors, {**state, "keys": self._keys})
