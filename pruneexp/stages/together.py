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
from pruneexp.training.snapshot import under


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
    """Those that were begun together go on together; what was left out then is left out again."""
    group = GroupCheckpoint(checkpoint, [stage.key for stage in stages])
    chosen = [(stage, given) for stage, given in zip(stages, parents, strict=True) if stage.key in group.keys]
    works = [stage.make for stage, _ in chosen if isinstance(stage.make, Train)]
    results = trained(works, [given for _, given in chosen], group, [stage.key for stage, _ in chosen])
    return ((stage, result) for (stage, _), result in zip(chosen, results, strict=True))


class GroupCheckpoint:
    """The checkpoint of a group for those of its trainings that are ``wanted``.

    ``keys`` are those of them that a save holds, or all where there is none. What it holds of others is passed over:
    they were finished since, or another process computes them.
    """

    def __init__(self, whole: Checkpoint, wanted: Sequence[str]) -> None:
        self._whole, self._found = whole, whole.load()
        saved = self._found[1]["keys"] if self._found is not None else wanted
        self.keys = [key for key in wanted if key in saved] or list(wanted)

    def due(self) -> bool:
        return self._whole.due()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        found, self._found = self._found, None
        if found is None or found[1]["keys"] == self.keys:
            return found
        tensors, state = found
        if not set(self.keys) <= set(state["keys"]) or "points" not in state:
            return None
        places = [state["keys"].index(key) for key in self.keys]
        return _chosen(tensors, places), {**state, "points": [state["points"][place] for place in places]}

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        self._whole.save(tensors, {**state, "keys": self.keys})


def _chosen(tensors: Mapping[str, Tensor], places: Sequence[int]) -> dict[str, Tensor]:
    """The tensors of these points of a stack, numbered anew."""
    chosen = [under(tensors, f"{place}/") for place in places]
    return {f"{number}/{name}": tensor for number, own in enumerate(chosen) for name, tensor in own.items()}
