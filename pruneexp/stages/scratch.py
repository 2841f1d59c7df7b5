"""Training of a pruned architecture from other weights than its trained ones: fresh, initial or early ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.errors import Infeasible
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.narrow import place_
from pruneexp.pruning.removal import architecture_of
from pruneexp.pruning.small_init import initial_values
from pruneexp.pruning.sparse_init import widen_
from pruneexp.stages.graph import Stage, StageKind
from pruneexp.stages.setting import Learner, Regime, Setting, Weights
from pruneexp.stages.train import Parents, Train
from pruneexp.stages.work import load, masked_flop, masks_of
from pruneexp.training.seeding import derive

VERSION = 3

SCRATCH = StageKind("scratch", "to train from scratch", "scratch")


@dataclass(frozen=True)
class EpochRule:
    """How many epochs a pruned network is trained for.

    ``by_mask``: whether the number depends on the mask; if so, ``cap`` limits it to that multiple of the dense epochs.
    """

    name: str
    by_mask: bool
    cap: float | None = None

    def rule(self, epochs: int, saving: float, retraining: float = 0.0) -> int:
        """The number, where the dense network has so many epochs, and ``saving`` is dense FLOP / pruned FLOP.

        ``retraining`` is what was retrained, in epochs of the pruned network.
        """
        if not self.by_mask:
            return epochs
        bought = epochs * saving + retraining
        return int(bought if self.cap is None else min(bought, epochs * self.cap))


def equal_epochs() -> EpochRule:
    """Scratch-E: as many epochs as the dense network (Liu et al. 2019, section 3)."""
    return EpochRule("equal epochs", by_mask=False)


def equal_compute(cap: float | None) -> EpochRule:
    """Scratch-B: ``int(epochs * FLOP_dense / FLOP_pruned)``, at most ``cap`` times the dense epochs.

    Both FLOP are of all products of a pass, so that one whose factors are not pruned costs both networks the same.
    """
    name = "equal compute" if cap is None else f"equal compute, at most {cap:g} times the epochs"
    return EpochRule(name, by_mask=True, cap=cap)


def check_switches(scaled_init: bool, small_init: bool) -> None:
    """Raise a ``ValueError`` where both ways to draw weights are asked for."""
    if scaled_init and small_init:
        raise ValueError("scaled_init and small_init are both true: allowed is one of them")


def train_scratch(
    setting: Setting,
    mask: Stage,
    epochs: EpochRule,
    charged: Sequence[Stage] = (),
    *,
    scaled_init: bool,
    small_init: bool = False,
) -> Stage:
    """Train the architecture that ``mask`` describes from fresh random weights.

    With ``small_init`` they are those of the network without the channels that the mask cuts, drawn for its sizes. It
    is trained where it stands in the whole network, which computes the same. ``charged`` are the masks, this one among
    them, whose retraining is added to the compute that ``epochs`` shares out.
    """
    return _train(
        setting, setting.scratch, mask, epochs, "fresh", charged=charged, scaled_init=scaled_init, small_init=small_init
    )


def train_rewound(setting: Setting, mask: Stage, early: Stage | None = None, epoch: int = 0) -> Stage:
    """Train the survivors of ``mask`` from the values that the dense network started from.

    With ``early``, the dense network after ``epoch`` epochs, from its values, as the dense network went on: by its
    recipe from that epoch on, but with an optimizer that starts without moments, and the penalty of ``scratch``.

    Raises:
        UserError: dense training does not last longer.
    """
    return _train(setting, setting.scratch.since(epoch), mask, equal_epochs(), "initial", early)


def _train(
    setting: Setting,
    regime: Regime,
    mask: Stage,
    epochs: EpochRule,
    start: Weights,
    early: Stage | None = None,
    *,
    charged: Sequence[Stage] = (),
    scaled_init: bool = False,
    small_init: bool = False,
) -> Stage:
    learner = setting.learner

    def begin(parents: Parents) -> tuple[nn.Module, MaskSet]:
        masks = masks_of(parents[0]).to(learner.device)
        network = learner.network(start)
        if early is not None:
            load(network, parents[1].tensors, f"the stored {early.kind} network")
        if scaled_init:
            widen_(network, masks, derive(setting.seed, "scaled init"))
        if small_init:
            _draw_for_sizes_(learner, network, masks, start)
        if not masks.kept or not masked_flop(learner, masks):
            raise Infeasible("this budget leaves no weight that could be trained from scratch")
        return network, masks

    work = Train(
        stage=SCRATCH.name,
        learner=learner,
        regime=regime,
        seed=derive(setting.seed, "train"),
        listen=setting.tell,
        begin=begin,
    )
    again = setting.retraining if charged else None
    make = partial(_lasting, work, epochs, again) if epochs.by_mask else work
    config = {
        **learner.identity(start),
        **regime.identity,
        "seed": setting.seed,
        "start": start,
        "epochs": epochs.name,
        "scaled_init": scaled_init,
        **_asked_for(small_init, again),
    }
    parents = tuple(dict.fromkeys((mask, *charged))) if early is None else (mask, early)
    shares = [_foreseen_share(learner, each) for each in parents if each.of.cuts]
    count = epochs.rule(regime.epochs, 1.0 / shares[0], _retrained(again, shares))
    return Stage(SCRATCH, VERSION, config, learner.fingerprint, make, parents, count, count * learner.epoch_flop)


def _draw_for_sizes_(learner: Learner, network: nn.Module, masks: MaskSet, start: Weights) -> None:
    """Give the network, in place, initial weights of the smaller one that the mask describes."""
    assert learner.trace is not None
    architecture = architecture_of(learner.trace, network, masks)
    place_(network, initial_values(partial(learner.network, start), architecture), architecture)


def _asked_for(small_init: bool, charged: Regime | None) -> dict[str, Any]:
    """What is part of the identity only where it is asked for."""
    said: dict[str, Any] = {"small_init": True} if small_init else {}
    if charged is not None:
        said["retraining"] = {"epochs": charged.epochs, "teacher": charged.distillation is not None}
    return said


def _lasting(
    work: Train, epochs: EpochRule, retraining: Regime | None, parents: Parents, checkpoint: Checkpoint
) -> Artefact:
    """Train for a number of epochs that is known once the masks are, the network's own first."""
    left = [masked_flop(work.learner, masks_of(parent)) for parent in parents]
    whole = work.learner.costs.flop_total
    retrained = _retrained(retraining, [each / whole for each in left]) if left[0] else 0.0
    count = epochs.rule(work.regime.epochs, whole / left[0] if left[0] else 1.0, retrained)
    return replace(work, regime=work.regime.lasting(count))(parents, checkpoint)


def _retrained(retraining: Regime | None, shares: Sequence[float]) -> float:
    """What retraining under each mask takes, in epochs under the first; shares of the dense FLOP."""
    if retraining is None:
        return 0.0
    teacher = retraining.teaching_flop(1.0) / 3.0  # forward alone, of the dense network
    return retraining.epochs * sum((share + teacher) / shares[0] for share in shares)


def _foreseen_share(learner: Learner, mask: Stage) -> float:
    """Pruned / dense FLOP as far as a plan can know it.

    Before the mask is cut, the layers' shares are not known; before a network is built, its FLOP are not.
    """
    budget = mask.config["budget"]
    density = float(budget["value"]) if budget["kind"] == "density" else 1.0
    beside = learner.costs.flop_beside / learner.costs.flop_total if learner.costs.flop_total else 0.0
    return density * (1.0 - beside) + beside
