"""The network of a point without the channels that no kept weight reads; knows no files."""

from __future__ import annotations

from dataclasses import replace

from pruneexp.cost.smaller import costs_of
from pruneexp.errors import UserError
from pruneexp.export.network import PrunedNetwork, Smaller, scores_of
from pruneexp.pruning.removal import removed


def without_channels(pruned: PrunedNetwork) -> PrunedNetwork:
    """The same with the small network in its place, scored anew.

    Raises:
        UserError: no channel can go, or the network's code needs the sizes that it was made with.
    """
    learner = pruned.session.job.setting.learner
    example, _ = learner.example(2, "removal")
    small = removed(pruned.network, pruned.masks, example)
    if not small.architecture.kept and not small.architecture.constants:
        raise UserError(
            "--removed: some kept weight reads every channel of the network, so that none can go; masks of "
            "criterion=channel_magnitude cut whole channels"
        )
    assert learner.trace is not None
    (then, flop), (now, less) = (costs_of(each, learner.trace).values() for each in (pruned.network, small.network))
    costs = Smaller(small.architecture, (int(then), int(now)), (flop, less))
    scores = scores_of(learner, small.network)
    return replace(pruned, network=small.network.eval(), masks=small.masks, scores=scores, smaller=costs)
