"""What a sweep asks for, checked, and the name of its study. Knows nothing of Optuna."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hydra_plugins.pruneexp_optuna_sweeper._space import Dimension
from pruneexp.errors import UserError, redact
from pruneexp.places import journal

DEFAULT_OBJECTIVES = {"val.after.top1": "maximize"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """A sweep: ``trials`` in all, of which ``n_jobs`` are launched at a time.

    Raises:
        UserError: there is nothing to sweep, or no trial to do it with.
    """

    dimensions: Mapping[str, Dimension]
    fixed: tuple[str, ...]
    objectives: Mapping[str, str]
    trials: int
    n_jobs: int
    sampler: str
    seed: int
    storage: str | None
    study: str | None

    def __post_init__(self) -> None:
        if not self.dimensions:
            raise UserError("there is nothing to sweep: give a key a range, such as 'train.lr=interval(0.01,0.1)'")
        for key, number in (("trials", self.trials), ("n_jobs", self.n_jobs)):
            if number < 1:
                raise UserError(f"hydra.sweeper.{key}={number}: allowed is 1 or more")

    def sought(self) -> dict[str, str]:
        """What trials of one study have in common; neither ``runtime`` nor a password can change a number."""
        fixed = sorted(line for line in self.fixed if not line.lstrip("+~").startswith("runtime."))
        parts = {
            "ranges": {key: asdict(dimension) for key, dimension in self.dimensions.items()},
            "fixed overrides": fixed,
            "objectives": self.objectives,
        }
        return {name: redact(json.dumps(part, sort_keys=True)) for name, part in parts.items()}

    def name(self) -> str:
        """The study: as asked, or so that a sweep that differs in anything that decides its values has another."""
        decisive = json.dumps([self.sought(), self.sampler, self.seed])
        return self.study or "sweep-" + hashlib.sha256(decisive.encode()).hexdigest()[:12]

    def journal(self) -> Path:
        return journal(self.name())


def directions(objectives: object) -> dict[str, str]:
    """What is sought, by name; None is the accuracy on the validation split after retraining.

    Raises:
        UserError: it is no mapping, or to something else than maximize and minimize, or a number of the test split.
    """
    if objectives is None:
        return dict(DEFAULT_OBJECTIVES)
    if not isinstance(objectives, Mapping) or not objectives:
        raise UserError(f"hydra.sweeper.objectives={objectives}: name numbers, as in {{val.after.top1:maximize}}")
    for name, direction in objectives.items():
        if direction not in ("maximize", "minimize"):
            raise UserError(f"hydra.sweeper.objectives: {name}={direction}: allowed are maximize and minimize")
        if str(name).startswith("test."):
            raise UserError(f"hydra.sweeper.objectives: {name}: no choice may see the test split; take val.{name[5:]}")
    return dict(sorted(objectives.items()))
