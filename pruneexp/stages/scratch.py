"""Training of a pruned architecture from other weights than its trained ones: fresh ones, or the initial ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.errors import Infeasible
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.sparse_init import widen_
from pruneexp.stages.graph import Stage
from pruneexp.stages.setting import Learner, Setting, Weights
from pruneexp.stages.work import Training, artefact, masked_flop, train
from pruneexp.training.seeding import derive

VERSION = 3


@dataclass(frozen=True)
class EpochRule:
    """How many epochs a pruned network is trained for: ``rule(dense epochs, dense FLOP / pruned FLOP)``."""

    name: str
    rule: Callable[[int, float], int]


def equal_epochs() -> EpochRule:
    """Scratch-E: as many epochs as the dense network (Liu et al. 2019, section 3)."""
    return EpochRule("equal epochs", lambda epochs, saving: epochs)


def equal_compute(cap: float | None) -> EpochRule:
    """Scratch-B: ``int(epochs * FLOP_dense / FLOP_pruned)``, at most ``cap`` times the dense epochs.

    Both FLOP are of all products of a pass, so that one whose factors are not pruned costs both networks the same.
    """
    limit = float("inf") if cap is None else cap
    name = "equal compute" if cap is None else f"equal compute, at most {cap:g} times the epochs"
    return EpochRule(name, lambda epochs, saving: int(epochs * min(saving, limit)))


def train_scratch(setting: Setting, mask: Stage, epochs: EpochRule, *, scaled_init: bool) -> Stage:
    """Train the architecture that ``mask`` describes from fresh random weights."""
    return _train(setting, mask, epochs, "fresh", scaled_init)


def train_rewound(setting: Setting, mask: Stage) -> Stage:
    """Train the survivors of ``mask`` from the values that the dense network started from."""
    return _train(setting, mask, equal_epochs(), "initial", False)


def _train(setting: Setting, mask: Stage, epochs: EpochRule, start: Weights, scaled_init: bool) -> Stage:
    learner, regime = setting.learner, setting.dense

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        masks = MaskSet.from_tensors(parents[0].tensors).to(learner.device)
        network = learner.network(start)
        if scaled_init:
            widen_(network, masks, derive(setting.seed, "scaled init"))
        left = masked_flop(learner, masks)
        if not masks.kept or not left:
            raise Infeasible("this budget leaves no weight that could be trained from scratch")
        lasting = regime.lasting(epochs.rule(regime.epochs, learner.costs.flop_total / left))
        training = Training("scratch", lasting, derive(setting.seed, "train"), setting.observer)
        return artefact(learner, network, [train(learner, network, training, masks, checkpoint)])

    config = {
        **learner.identity(start),
        **regime.identity,
        "seed": setting.seed,
        "start": start,
        "epochs": epochs.name,
        "scaled_init": scaled_init,
    }
    count = epochs.rule(regime.epochs, _foreseen_saving(learner, mask))
    return Stage("scratch", VERSION, config, learner.fingerprint, make, (mask,), count, count * learner.epoch_flop)


def _foreseen_saving(learner: Learner, mask: Stage) -> float:
    """Dense / pruned FLOP as far as a plan can know it.

    Before the mask is cut, the layers' shares are not known; before a network is built, its FLOP are not.
    """
    budget = mask.config["budget"]
    density = float(budget["value"]) if budget["kind"] == "density" else 1.0
    beside = learner.costs.flop_beside / learner.costs.flop_total if learner.costs.flop_total else 0.0
    return 1.0 / (density * (1.0 - beside) + beside)
