"""The network of a point without the channels that no kept weight reads; knows no files."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from pruneexp.cost.flops import dense_flop
from pruneexp.errors import UserError
from pruneexp.export.network import PrunedNetwork, Smaller, scores_of
from pruneexp.pruning.removal import removed
from pruneexp.tracing.trace import traced


def without_channels(pruned: PrunedNetwork) -> PrunedNetwork:
    """The same with the small network in its place, scored anew.

    Raises:
        UserError: no channel can go, or the network's code needs the sizes that it was made with.
    """
    learner = pruned.session.job.setting.learner
    example, _ = learner.example(2, "removal")
    small = removed(pruned.network, pruned.masks, example)
    if not small.kept:
        raise UserError(
            "--removed: some kept weight reads every channel of the network, so that none can go; masks of "
            "criterion=channel_magnitude cut whole channels"
        )
    costs = Smaller(
        small.kept,
        (_parameters(pruned.network), _parameters(small.network)),
        (learner.costs.flop_total, dense_flop(traced(small.network, example)).total),
    )
    scores = scores_of(learner, small.network)
    return replace(pruned, network=small.network.eval(), masks=small.masks, scores=scores, smaller=costs)


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
