"""Stages as values: what a piece of work depends on, and the runner that does it at most once.

A ``Stage`` is a description, not a result: its key is known before anything is computed, which is what lets a plan be
printed and finished work be skipped. Knows nothing of pruning or training.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from traceback import clear_frames
from typing import Any, Literal

from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Artefact, Checkpoint, Store
from pruneexp.errors import Infeasible, UserError
from pruneexp.stages.parts import SOURCES

Make = Callable[[tuple[Artefact, ...], Checkpoint], Artefact]

#: Several stages at once: the artefacts of the parents of each in, stages with a result or with what stopped them out.
MakeTogether = Callable[
    [Sequence["Stage"], Sequence[tuple[Artefact, ...]], Checkpoint], Iterable[tuple["Stage", Artefact | Exception]]
]

#: Artefacts kept in memory: the dense network and the survivors that the next round or budget starts from.
REMEMBERED = 3


@dataclass(frozen=True)
class StageKind:
    """What is so of every stage of a kind; the file that makes such stages declares it.

    ``verb`` names the work in a plan, ``column`` is that of the ledger which its effort is booked under, empty for
    stages that no point is made of. ``cuts``: its record tells of a mask, as a point reports it. ``inherits``: its
    network has the weights that were cut, so that its scores before are those of the mask.
    """

    name: str
    verb: str
    column: Literal["dense", "prune", "retrain", "scratch", ""] = ""
    cuts: bool = False
    inherits: bool = False


@dataclass(frozen=True, eq=False)
class Stage:
    """One pure step. ``make`` receives the artefacts of ``parents``, in order, and a place for checkpoints.

    Work that an executor can look into, such as a ``Train``, is a value that can be called like any other ``make``.
    ``epochs`` and ``flop`` are what the step is expected to cost, for plans only.
    """

    of: StageKind
    version: int
    config: Mapping[str, Any]
    data: str
    make: Make
    parents: tuple[Stage, ...] = ()
    epochs: float = 0.0
    flop: float = 0.0

    @property
    def kind(self) -> str:
        """The name of its kind."""
        return self.of.name

    @cached_property
    def level(self) -> int:
        """How many stages lie at most between it and one without parents, itself included."""
        return max((parent.level + 1 for parent in self.parents), default=0)

    @cached_property
    def key(self) -> str:
        """Identity of the result: full configuration, version, parents and data."""
        return stage_key(self.kind, self.version, self.config, [parent.key for parent in self.parents], self.data)


@dataclass(frozen=True)
class Route:
    """The stages of one trade-off point in the order they are needed: the dense network first, the result last."""

    steps: tuple[Stage, ...]

    @property
    def dense(self) -> Stage:
        return self.steps[0]

    @property
    def mask(self) -> Stage:
        """The last cut: the one the point reports."""
        return next(step for step in reversed(self.steps) if step.of.cuts)

    @property
    def final(self) -> Stage:
        return self.steps[-1]

    def signed(self, code: Mapping[str, str]) -> Route:
        """The same stages, all but the dense network identified by these digests of code too."""
        if not code:
            return self
        made: dict[str, Stage] = {}
        for step in self.steps:
            config = step.config if step is self.dense else {**step.config, SOURCES: dict(code)}
            parents = tuple(made.get(parent.key, parent) for parent in step.parents)
            made[step.key] = replace(step, config=config, parents=parents)
        return Route(tuple(made.values()))


@dataclass
class Runner:
    """Computes stages on demand; what the store already holds is not computed, nor are its parents."""

    store: Store
    hits: dict[str, bool] = field(default_factory=dict)
    _failed: dict[str, Exception] = field(default_factory=dict)
    _memory: OrderedDict[str, Artefact] = field(default_factory=OrderedDict)

    def record(self, stage: Stage) -> Mapping[str, Any]:
        """The record of a stage, without reading its tensors where it is already stored."""
        stored = self.store.record(stage.key) if stage.key not in self._memory else None
        if stored is None:
            return self.artefact(stage).record
        self.hits.setdefault(stage.key, True)
        return stored

    def artefact(self, stage: Stage) -> Artefact:
        """The whole result of a stage; its parents are computed first where they are missing.

        Raises:
            Exception: what the stage, or one it depends on, raised; a stage that failed once is not tried again.
        """
        if stage.key in self._failed:
            raise self._failed[stage.key]
        artefact = self._memory.pop(stage.key, None) or self._stored(stage) or self._made(stage)
        self._memory[stage.key] = artefact
        while len(self._memory) > REMEMBERED:
            self._memory.popitem(last=False)
        return artefact

    def make_together(self, group: Sequence[Stage], make: MakeTogether) -> None:
        """Compute at once those stages of one kind that are not stored, but for those that another process computes.

        Their parents are computed first. What fails is raised when it is asked for.

        Raises:
            Stopped: a stop is requested.
            UserError: the disk refuses.
        """
        parents: dict[str, tuple[Artefact, ...]] = {}
        for stage in group:
            if stage.key not in self._failed and not self.store.has(stage.key):
                with suppress(Exception):
                    parents[stage.key] = tuple(self.artefact(parent) for parent in stage.parents)
        stages = {stage.key: stage for stage in group}

        def make_all(keys: Sequence[str], checkpoint: Checkpoint) -> Iterator[tuple[str, Artefact]]:
            for stage, made in make([stages[key] for key in keys], [parents[key] for key in keys], checkpoint):
                if isinstance(made, Exception):
                    self._fail(stage, made)
                else:
                    yield stage.key, made
                    self.hits.setdefault(stage.key, False)

        try:
            self.store.produce_together(group[0].kind, stages.keys(), parents, make_all)
        except Exception as error:
            if isinstance(error, UserError) and not isinstance(error, Infeasible):
                raise
            # Each is tried alone when it is asked for, with the same numbers, and fails by itself.

    def _fail(self, stage: Stage, error: Exception) -> None:
        clear_frames(error.__traceback__)  # which would keep the failed network in memory for as long as the error
        self._failed[stage.key] = error

    def _stored(self, stage: Stage) -> Artefact | None:
        artefact = self.store.load(stage.key)
        if artefact is not None:
            self.hits.setdefault(stage.key, True)
        return artefact

    def _made(self, stage: Stage) -> Artefact:
        parents = tuple(self.artefact(parent) for parent in stage.parents)
        try:
            artefact, hit = self.store.produce(stage.key, stage.kind, lambda place: stage.make(parents, place))
        except Exception as error:
            self._fail(stage, error)
            raise
        self.hits.setdefault(stage.key, hit)
        return artefact
