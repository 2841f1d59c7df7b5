"""Losses along the line through two states of one network. Knows learners and states, and no record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pruneexp.data.dataset import Source
from pruneexp.schema import LineLoss
from pruneexp.stages.setting import Learner
from pruneexp.stages.work import recalibrate, scored
from pruneexp.training.seeding import generator

#: Where the loss is taken: from -1/4 to 5/4 of the way, both ends of which are among them.
PLACES = tuple(step / 12.0 for step in range(-3, 16))
#: Examples of train that are looked at, drawn anew for no place.
MOST = 10_000


@dataclass(frozen=True)
class _Some:
    """Some examples of a source, in an order of their own."""

    source: Source
    chosen: Tensor

    def __len__(self) -> int:
        return len(self.chosen)

    def batches(
        self,
        batch_size: int,
        device: torch.device,
        *,
        order: Tensor | None = None,
        augment: torch.Generator | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        chosen = self.chosen if order is None else self.chosen[order]
        return self.source.batches(batch_size, device, order=chosen, augment=augment)


def has_batchnorm(network: nn.Module) -> bool:
    """Whether it has statistics of batch normalisation, which are no place on the line."""
    return any(isinstance(module, _BatchNorm) and module.track_running_stats for module in network.modules())


def losses(
    learner: Learner, before: Mapping[str, Tensor], after: Mapping[str, Tensor], seed: int
) -> tuple[LineLoss, ...]:
    """The loss of the task, without penalty and dropout, on train and val at each of ``PLACES``.

    Parameters are ``(1 - t) * before + t * after``, so that what both have pruned stays zero; statistics of batch
    normalisation are estimated anew on train at each place, and other buffers are those of ``after``.
    """
    network, train = learner.network("fresh"), learner.data.value.train
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    chosen = torch.randperm(len(train), generator=generator(seed, "line"))[:MOST]
    splits = (_Some(train, chosen), learner.data.value.val)
    found = []
    for t in PLACES:
        network.load_state_dict({name: (1.0 - t) * before[name] + t * tensor if name in parameters else tensor
                                 for name, tensor in after.items()})  # fmt: skip
        if has_batchnorm(network):
            recalibrate(learner, network, seed)
        found.append(LineLoss(t, *(scored(learner, network, split).loss for split in splits)))
    return tuple(found)
