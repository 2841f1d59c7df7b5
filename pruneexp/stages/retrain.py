"""Retraining of the survivors, from the values they have."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import nn

from pruneexp.cache.store import Artefact, Checkpoint
from pruneexp.pruning.layers import kind_of, prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.stages.graph import Stage
from pruneexp.stages.part import PartCheckpoint
from pruneexp.stages.setting import Setting
from pruneexp.stages.work import Trained, Training, artefact, load, recalibrate, train
from pruneexp.training.seeding import derive

VERSION = 2


def retrain(setting: Setting, mask: Stage) -> Stage:
    """Retrain what ``mask`` left of the network it was cut from (Han et al. 2015, section 3, last step).

    Local retraining (section 3.3) prunes and retrains the linear layers while convolutions are frozen, then prunes and
    retrains the convolutions while linear layers are frozen; each half takes the whole number of epochs.
    """
    source = mask.parents[0]

    def make(parents: tuple[Artefact, ...], checkpoint: Checkpoint) -> Artefact:
        masks = MaskSet.from_tensors(parents[0].tensors).to(setting.device)
        network = load(setting.network("fresh"), parents[1].tensors, f"the stored {source.kind} network")
        parts = PartCheckpoint(checkpoint)
        done = [Trained(**earlier) for earlier in parts.finished]
        for part in _parts(setting, network, masks)[len(done) :]:
            training = Training(
                "retrain",
                setting.retrain,
                setting.retrain_penalty,
                "retrain",
                derive(setting.seed, "retrain"),
                part.frozen,
            )
            done.append(train(setting, network, training, part.masks, parts))
            parts.finish(asdict(done[-1]))
        if setting.recalibrate_batchnorm and not setting.retrain.epochs:  # the same network as before retraining
            recalibrate(setting, network)
        return artefact(setting, network, done)

    config = {
        "model": setting.configs["model"],
        "retrain": setting.configs["retrain"],
        "penalty": setting.configs["retrain_penalty"],
        "dropout": setting.configs["dropout"],
        "seed": setting.seed,
    }
    epochs = setting.retrain_epochs
    flop = epochs * setting.epoch_flop
    return Stage("retrain", VERSION, config, setting.data.fingerprint, make, (mask, source), epochs, flop)


@dataclass(frozen=True)
class _Part:
    masks: MaskSet
    frozen: tuple[str, ...]


def _parts(setting: Setting, network: nn.Module, masks: MaskSet) -> list[_Part]:
    layers = prunable(network)
    conv = tuple(name for name, layer in layers.items() if kind_of(layer) == "conv")
    linear = tuple(name for name in layers if name not in conv)
    if not setting.local_retraining:
        return [_Part(masks, ())]
    return [_Part(masks.restrict([name for name in linear if name in masks]), conv), _Part(masks, linear)]
