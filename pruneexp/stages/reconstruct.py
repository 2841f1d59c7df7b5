"""Channels chosen, and weights changed, layer by layer: the part of a cut that looks at what layers compute."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.channels import ChannelGrouping
from pruneexp.pruning.layers import PrunableLayer, prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.reconstruction import LayerSamples, Reconstruction
from pruneexp.pruning.units.unit import Unit, Units
from pruneexp.stages.setting import Learner, Setting
from pruneexp.stages.statistics import drawn
from pruneexp.training.sampling import Samples, sampled
from pruneexp.training.seeding import generator


@dataclass(frozen=True)
class Reconstructed:
    """The masks of a cut, the names of the parameters that it has changed, and the FLOP of its passes."""

    masks: MaskSet
    changed: tuple[str, ...] = ()
    flop: float = 0.0


def reconstruct(
    setting: Setting,
    network: nn.Module,
    units: Unit | Units | None,
    masks: MaskSet,
    alive: MaskSet,
    pause: Callable[[], None],
) -> Reconstructed:
    """Choose as many channels of each set as ``masks`` keep, of those alive, and change the network's weights.

    The layers that read channels are treated in the order of a pass. The channels of a set are chosen where the first
    of its readers comes; the weights of a reader change once, where it comes itself. ``pause`` is called before each.
    """
    score, learner = setting.cut.value.score, setting.learner
    assert isinstance(score, Reconstruction)
    assert isinstance(units, ChannelGrouping)
    readers, original = _readers(learner, network, units), copy.deepcopy(network)
    counts, candidates = units.living(masks).kept_per_layer, units.living(alive)
    kept: dict[str, Tensor] = {}
    for name, reader in readers.items():
        pause()
        new = [each for each in reader.channels if each not in kept]
        columns = {of: other.columns_of(new) for of, other in readers.items()} | {name: reader.all_columns}
        columns = {of: each for of, each in columns.items() if bool(each.any())}
        now = _sampled(setting, network, columns)
        wanted = now if score.targets == "present" else _sampled(setting, original, columns)
        for each in new:
            of_set = [of for of in columns if each in readers[of].channels]
            readings = [
                readers[of].reading(readers[of].channels[each], columns[of], now[of], wanted[of]) for of in of_set
            ]
            kept[each] = score.chosen(readings, candidates[each], counts[each])
        channels, stays = reader.together(kept)
        reader.change(score.refitted(reader.reading(channels, columns[name], now[name], wanted[name]), stays))
    passes = len(readers) * (1 if score.targets == "present" else 2)
    images = score.batches * setting.dense.recipe.value.batch_size
    changed = tuple(reader.layer.parameter for reader in readers.values())
    return Reconstructed(units.masks(kept, alive), changed, passes * images * learner.costs.flop_total)


def check_reconstruction(setting: Setting, network: nn.Module, units: Unit | Units | None) -> None:
    """Check that a score that chooses by reconstruction, if there is one, fits the cut and the network.

    Raises:
        UserError: the units are no channels, there is an edit, or a layer that reads channels is not seen.
    """
    cut = setting.cut.value
    if not isinstance(cut.score, Reconstruction):
        return
    name = type(cut.score).__name__
    if not isinstance(units, ChannelGrouping):
        raise UserError(
            f"criterion.score: {name} chooses channels, by what layers make of them: "
            "criterion.unit must be pruneexp.pruning.units.channel.Channel"
        )
    if cut.editor is not None:
        raise UserError(
            f"criterion.score: {name} changes weights when it cuts, and so does criterion.edit: leave it out"
        )
    _readers(setting.learner, network, units)


@dataclass(frozen=True, eq=False)
class _Reader:
    """A layer that reads channels: by set, the channel of each column of its weight, -1 where it is none of the set."""

    layer: PrunableLayer
    channels: Mapping[str, Tensor]

    @property
    def all_columns(self) -> Tensor:
        return torch.ones(self.layer.weight[0].numel(), dtype=torch.bool)

    def columns_of(self, sets: list[str]) -> Tensor:
        """The columns of these sets."""
        found = ~self.all_columns
        for name in sets:
            found |= self.channels.get(name, torch.tensor(-1)) >= 0
        return found

    def together(self, kept: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The channel of each column, numbered through all sets, and which of them stay."""
        found, stays = torch.full((self.layer.weight[0].numel(),), -1), torch.zeros(0, dtype=torch.bool)
        for name, channels in self.channels.items():
            found = torch.where(channels < 0, found, channels + len(stays))
            stays = torch.cat([stays, kept[name]])
        return found, stays

    def reading(self, channels: Tensor, columns: Tensor, now: Samples, wanted: Samples) -> LayerSamples:
        """What is to be reconstructed of these columns: what is wanted, less what the others add now."""
        weight = self.layer.weight.detach().flatten(1).double().cpu()[:, columns]
        outputs = wanted.outputs - now.outputs + now.inputs @ weight.T
        return LayerSamples(now.inputs, weight, outputs, channels[columns])

    @torch.no_grad()
    def change(self, weight: Tensor) -> None:
        self.layer.weight.copy_(weight.view(self.layer.weight.shape))


def _readers(learner: Learner, network: nn.Module, units: ChannelGrouping) -> dict[str, _Reader]:
    """All layers that read channels, in the order of a pass.

    Raises:
        UserError: a layer is not seen, or nothing reads a set.
    """
    channels: dict[str, dict[str, Tensor]] = {}
    for of_set, each in units.of.sets.items():
        if not each.readers:
            raise UserError(f"no layer reads the channels of {of_set}: put it into criterion.exclude")
        for parameter, dim in each.readers:
            channels.setdefault(parameter, {})[of_set] = each.members[parameter, dim]
    layers = {name: layer for name, layer in prunable(network).items() if layer.parameter in channels}
    nothing = {name: torch.zeros(layer.weight[0].numel(), dtype=torch.bool) for name, layer in layers.items()}
    example = learner.example(2, "calibration")
    order = sampled(network, [example], nothing, 1, torch.Generator().manual_seed(0))
    for name in [name for name in layers if name not in order]:
        makers = {maker for each in channels[layers[name].parameter] for maker in units.of.sets[each].producers}
        raise UserError(
            f"{name} reads channels, and its weights cannot be fitted, as it is no linear layer and no convolution "
            "without groups that the network calls; keep the channels by "
            f"'criterion.exclude=[{','.join(sorted(makers))}]'"
        )
    return {name: _reader(layers[name], channels[layers[name].parameter]) for name in order}


def _reader(layer: PrunableLayer, channels: Mapping[str, Tensor]) -> _Reader:
    kernel = layer.weight.shape[2:].numel()
    return _Reader(layer, {name: each.repeat_interleave(kernel) for name, each in channels.items()})


def _sampled(setting: Setting, network: nn.Module, columns: Mapping[str, Tensor]) -> dict[str, Samples]:
    """What layers compute for all calibration batches: at the same positions of the same examples in each network."""
    score = setting.cut.value.score
    assert isinstance(score, Reconstruction)
    batches, draws = drawn(setting, score.batches), generator(setting.seed, "positions")
    return sampled(network, batches, columns, score.positions, draws)
