"""The whole state of a training, as tensors and JSON: a resumed training equals an uninterrupted one.

Knows no files: a ``Checkpointer`` saves and loads the state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pruneexp.pruning.enforcement import Enforcement, under
from pruneexp.training.optimizers import MomentOptimizer

#: The generators of one epoch of a training, by the name that a save gives to their states.
Generators = Mapping[str, torch.Generator]


class Checkpointer(Protocol):
    """Saves the state of an unfinished training and loads it again; only the last save counts."""

    def due(self) -> bool:
        """Whether enough time has passed since the last save; the training asks after every step."""

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last save, or ``None`` where there is none."""

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Save tensors and a JSON-able state, all or nothing; the training overwrites the tensors afterwards."""


@dataclass
class Position:
    """Where a training stands: ``step`` steps of epoch ``epoch`` are done.

    ``loss`` is the loss summed over the examples of the epoch so far, float64 on the device; ``losses`` are the means
    of the epochs before and ``scores`` what the network scored after each, ``seconds`` the time that earlier,
    interrupted processes spent.
    """

    loss: Tensor
    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def start(cls, device: torch.device) -> Position:
        """Before the first step."""
        return cls(torch.zeros((), dtype=torch.float64, device=device))


@dataclass(frozen=True)
class Snapshot:
    """The parts of one training that change while it runs, except the generators, which belong to an epoch."""

    network: nn.Module
    optimizer: MomentOptimizer
    position: Position
    enforcement: Enforcement

    def state(self, generators: Generators, seconds: float) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The present state as tensors and JSON, with ``seconds`` of training so far; waits for the device."""
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"optimizer/{name}": moment for name, moment in self._moments().items()}
        tensors |= {f"edit/{name}": tensor for name, tensor in self.enforcement.state().items()}
        tensors |= {f"random/{name}": generator.get_state() for name, generator in generators.items()}
        tensors["loss"] = self.position.loss
        here = self.position
        told = {"losses": list(here.losses), "scores": list(here.scores)}
        state = {"epoch": here.epoch, "step": here.step, **told, "seconds": seconds}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, state

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Go back to what ``state`` gave, and return the states of its generators for ``resume_generators``."""
        self.network.load_state_dict(under(tensors, "network/"))
        self.enforcement.restore(under(tensors, "edit/"))
        for name, moment in self._moments().items():
            moment.copy_(tensors[f"optimizer/{name}"])
        self.position.loss.copy_(tensors["loss"])
        self.position.epoch, self.position.step = state["epoch"], state["step"]
        self.position.losses, self.position.seconds = list(state["losses"]), state["seconds"]
        # A save of an earlier version has no scores.
        self.position.scores = list(state.get("scores", [math.nan] * len(state["losses"])))
        return under(tensors, "random/")

    def _moments(self) -> dict[str, Tensor]:
        return {f"{name}/{i}": m for name, moments in self.optimizer.moments.items() for i, m in enumerate(moments)}


def resume_generators(states: Mapping[str, Tensor], generators: Generators) -> None:
    """Put the generators of an interrupted epoch into the states that ``Snapshot.restore`` returned."""
    for name, generator in generators.items():
        generator.set_state(states[name])
