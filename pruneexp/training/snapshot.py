"""All that decides how a training goes on, as tensors and JSON: a resumed one equals one never interrupted.

Knows no files: a ``Checkpointer`` keeps what is given to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pruneexp.training import seeding
from pruneexp.training.optimizers import FunctionalOptimizer


class Checkpointer(Protocol):
    """Where an unfinished training keeps its last position."""

    def due(self) -> bool:
        """Whether enough time has passed since the last save; asked after every step."""

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last save, or ``None`` where there is none."""

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Keep tensors and a JSON-able state, all or nothing; training goes on writing to the tensors afterwards."""


@dataclass
class Position:
    """Where a training stands: ``step`` steps of epoch ``epoch`` are done.

    ``loss`` is the loss summed over the images of the epoch so far, float64 on the device; ``losses`` are the means of
    the epochs before, ``seconds`` the time spent in sessions before this one.
    """

    loss: Tensor
    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @classmethod
    def start(cls, device: torch.device) -> Position:
        """Before the first step."""
        return cls(torch.zeros((), dtype=torch.float64, device=device))


@dataclass(frozen=True)
class Snapshot:
    """The parts of one training that change while it runs, but for the generators, which belong to an epoch."""

    network: nn.Module
    optimizer: FunctionalOptimizer
    position: Position
    device: torch.device

    def save(self, checkpoint: Checkpointer, augment: torch.Generator | None, seconds: float) -> None:
        """Write the present state; waits for the device."""
        tensors = {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= {f"optimizer/{name}": moment for name, moment in self._moments().items()}
        tensors |= {f"random/{i}": state for i, state in enumerate(seeding.global_states(self.device))}
        if augment is not None:
            tensors["random/augment"] = augment.get_state()
        tensors["loss"] = self.position.loss
        here = self.position
        state = {"epoch": here.epoch, "step": here.step, "losses": list(here.losses), "seconds": seconds}
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        checkpoint.save(plain, state)

    def load(self, checkpoint: Checkpointer) -> Mapping[str, Tensor] | None:
        """Go back to the last save, if there is one; returns its generator states for ``resume_generators``."""
        found = checkpoint.load()
        if found is None:
            return None
        tensors, state = found
        self.network.load_state_dict(_under(tensors, "network/"))
        for name, moment in self._moments().items():
            moment.copy_(tensors[f"optimizer/{name}"])
        self.position.loss.copy_(tensors["loss"])
        self.position.epoch, self.position.step = state["epoch"], state["step"]
        self.position.losses, self.position.seconds = list(state["losses"]), state["seconds"]
        return _under(tensors, "random/")

    def resume_generators(self, states: Mapping[str, Tensor], augment: torch.Generator | None) -> None:
        """Put the generators of the epoch that ``load`` returned to where they were."""
        count = len(states) - ("augment" in states)
        seeding.set_global_states(self.device, [states[str(i)] for i in range(count)])
        if augment is not None:
            augment.set_state(states["augment"])

    def _moments(self) -> dict[str, Tensor]:
        return {f"{name}/{i}": m for name, moments in self.optimizer.moments.items() for i, m in enumerate(moments)}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
