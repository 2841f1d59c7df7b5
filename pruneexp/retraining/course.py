"""The last training of a recorded point, done once more to look at its weights on the way, and these in histograms.

A training is a function of its key, so that weights of epochs need not be stored. Knows stages, and no record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.edits.edit import Edit
from pruneexp.pruning.layers import prunable
from pruneexp.schema import EpochWeights, LayerCourse
from pruneexp.stages.graph import Runner, Stage
from pruneexp.stages.train import Parents, Train, trained
from pruneexp.stages.work import EDIT
from pruneexp.training.events import TrainingEvent
from pruneexp.training.fit import Diverged

State = Mapping[str, Tensor]

#: Bins of a histogram on each side of zero, at most, and the narrowest as powers of two: of a gap, and without one.
_MOST, _NARROWEST, _FINEST = 200, -3, -30


@dataclass(frozen=True)
class _Unsaved:
    """The checkpoint of a training that begins anew where a stop, which ``ask`` raises, has ended it."""

    ask: Callable[[], None]

    def due(self) -> bool:
        self.ask()
        return False

    def load(self) -> None:
        return None

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
        """Keeps nothing; it is never due."""


def states(runner: Runner, stage: Stage, epochs: Collection[int]) -> dict[int, State]:
    """The network, on the CPU, before this training (0), after those of its epochs, and after its last.

    Raises:
        UserError: the stage trains nothing, not one network at once, or changes its masks.
    """
    work = stage.make
    if not isinstance(work, Train):
        raise UserError(f"its {stage.kind} is no single training (retrain.scope=local is two), and cannot be followed")
    parents = tuple(runner.artefact(parent) for parent in stage.parents)
    networks: list[nn.Module] = []
    found: dict[int, State] = {}

    def begin(given: Parents) -> tuple[nn.Module, Edit | None]:
        network, edit = work.begin(given)
        networks.append(network)
        return network, edit

    def listen(event: TrainingEvent) -> None:
        work.listen(event)
        if event.kind in ("begin", "done") or (event.kind == "epoch" and event.epoch in epochs):
            found[event.epoch] = {
                name: tensor.detach().cpu().clone() for name, tensor in networks[0].state_dict().items()
            }

    again = replace(work, begin=begin, listen=listen)
    (made,) = trained([again], [parents], _Unsaved(runner.store.stop_if_requested), [stage.key])
    if isinstance(made, Diverged):
        raise UserError(str(made))
    if any(name.startswith(EDIT) for name in made.tensors):
        raise UserError("its masks change while it is retrained, so that there is no line on one mask")
    if len(found) == 1:
        raise UserError("it was not retrained (retrain.epochs=0)")
    return found


@torch.no_grad()
def layers(network: nn.Module, masks: State, found: Mapping[int, State]) -> tuple[LayerCourse, ...]:
    """The kept weights of each layer in the order of the network; one without a mask, on the CPU, keeps all of them."""
    return tuple(
        _layer(name, {epoch: _kept(state[layer.parameter], masks.get(name)) for epoch, state in sorted(found.items())},
               pruned=name in masks and not bool(masks[name].all()))
        for name, layer in prunable(network).items()
    )  # fmt: skip


def _kept(weight: Tensor, mask: Tensor | None) -> Tensor:
    return weight.float().flatten() if mask is None else weight[mask].float()


def _layer(name: str, kept: Mapping[int, Tensor], *, pruned: bool) -> LayerCourse:
    before = next(iter(kept.values()))
    limit = max((float(values.abs().max()) for values in kept.values() if len(values)), default=0.0)
    gap = float(before.abs().min()) if pruned and len(before) else 0.0
    power = _NARROWEST if gap else _FINEST
    while limit >= _MOST * (width := (gap or 1.0) * 2.0**power):
        power += 1
    half = int(limit / width) + 1
    epochs = tuple(_of_epoch(epoch, values, width, half, gap) for epoch, values in kept.items())
    return LayerCourse(layer=name, width=width, gap=gap, epochs=epochs)


def _of_epoch(epoch: int, values: Tensor, width: float, half: int, gap: float) -> EpochWeights:
    """Bins are the same on both sides of zero, so that a weight of the gap's size is in the first one outside."""
    magnitudes, number = values.abs().double(), max(1, len(values))
    place = (magnitudes / width).long()
    bins = torch.where(values < 0.0, half - 1 - place, half + place)
    counts = tuple(int(count) for count in torch.bincount(bins, minlength=2 * half).tolist())
    return EpochWeights(epoch, counts, float(magnitudes.sum()) / number, int((magnitudes < gap).sum()) / number)
