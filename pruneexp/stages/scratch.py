"""Training of a pruned architecture from other weights than its trained ones: fresh ones, or the initial ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.errors import Infeasible
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.sparse_init import widen_
from pruneexp.stages.graph import Stage
from pruneexp.stages.setting import Setting, Weights
from pruneexp.stages.work import Training, artefact, masked_flop, train
from pruneexp.training.seeding import derive

VERSION = 2


@dataclass(frozen=True)
class EpochRule:
    """How many epochs a pruned network is trained for: ``rule(dense epochs, dense FLOP / pruned FLOP)``."""

    name: str
    rule: Callable[[int, float], int]


def equal_epochs() -> EpochRule:
    """Scratch-E: as many epochs as the dense network (Liu et al. 2019, section 3)."""
    return EpochRule("equal epochs", lambda epochs, saving: epochs)


def equal_compute(cap: float | None) -> EpochRule:
    """Scratch-B: ``int(epochs * FLOP_dense / FLOP_pruned)``, at most ``cap`` times the dense epochs."""
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
    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        masks = MaskSet.from_tensors(parents[0].tensors).to(setting.device)
        network = setting.network(start)
        if scaled_init:
            widen_(network, masks, derive(setting.seed, "scaled init"))
        left = masked_flop(setting, masks)
        if not left:
            raise Infeasible("this budget leaves no weight that could be trained from scratch")
        saving = sum(setting.layer_flop.values()) / left
        recipe = replace(setting.train, epochs=epochs.rule(setting.train.epochs, saving))
        training = Training("scratch", recipe, setting.train_penalty, "train", derive(setting.seed, "train"))
        return artefact(setting, network, [train(setting, network, training, masks, checkpoint)])

    config = {
        "model": setting.configs["model"],
        "train": setting.configs["train"],
        "penalty": setting.configs["train_penalty"],
        "dropout": setting.configs["dense_dropout"],
        "seed": setting.seed,
        "start": start,
        "epochs": epochs.name,
        "scaled_init": scaled_init,
    }
    count = epochs.rule(setting.train.epochs, _foreseen_saving(mask))
    return Stage("scratch", VERSION, config, setting.data.fingerprint, make, (mask,), count, count * setting.epoch_flop)


def _foreseen_saving(mask: Stage) -> float:
    """Dense / pruned FLOP as far as a plan can know it: before the mask is cut, the layers' shares are not known."""
    budget = mask.config["budget"]
    return 1.0 / float(budget["value"]) if budget["kind"] == "density" else 1.0
