"""Channels chosen, and weights changed, layer by layer: the part of a cut that looks at what layers compute."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneexp.errors import UserError
from pruneexp.pruning.channels import ChannelGrouping
from pruneexp.pruning.layers import PrunableLayer, prunable
from pruneexp.pruning.masks import MaskSet
from pruneexp.pruning.reconstruction import Reading, Reconstruction
from pruneexp.pruning.units.unit import Unit, Units
from pruneexp.stages.setting import Learner, Setting
from pruneexp.stages.statistics import drawn
from pruneexp.training.sampled_inputs import sampled_inputs
from pruneexp.training.seeding import generator


@dataclass(frozen=True)
class Reconstructed:
    """Masks of the channels that were chosen, the parameters that changed, and the FLOP of all passes."""

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
    score = setting.cut.value.score
    assert isinstance(score, Reconstruction)
    assert isinstance(units, ChannelGrouping)
    of_original = score.targets == "original"
    readers, original = _readers(setting.learner, network, units), copy.deepcopy(network)
    counts, candidates = units.living(masks).kept_per_layer, units.living(alive)
    kept: dict[str, Tensor] = {}
    for name, reader in readers.items():
        pause()
        new = [each for each in reader.columns if each not in kept]
        seen = {each: other for each, other in readers.items() if each == name or not other.columns.keys().isdisjoint(new)}
        inputs = _inputs(setting, network, seen)
        before = _inputs(setting, original, seen) if of_original else inputs
        for each in new:
            kept[each] = score.chosen(
                [
                    Reading(inputs[of], other.matrix, before[of] @ other.original.T, other.columns[each])
                    for of, other in seen.items()
                    if each in other.columns
                ],
                candidates[each],
                counts[each],
            )
        channels, stays = reader.together(kept)
        reading = Reading(inputs[name], reader.matrix, before[name] @ reader.original.T, channels)
        reader.change(score.refitted(reading, stays))
    images = score.batches * setting.dense.recipe.value.batch_size
    passes = len(readers) * (2 if of_original else 1)
    changed = tuple(reader.layer.parameter for reader in readers.values())
    return Reconstructed(units.masks(kept, alive), changed, passes * images * setting.learner.costs.flop_total)


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
            f"criterion.score={name} chooses channels, by what reads them: "
            "'+criterion.unit={_target_: pruneexp.pruning.units.channel.Channel}' is the unit that it needs"
        )
    if cut.editor is not None:
        raise UserError(f"criterion.score={name} changes weights when it cuts, as criterion.edit does: leave that out")
    _readers(setting.learner, network, units)


@dataclass(frozen=True, eq=False)
class _Reader:
    """A layer that reads channels: by set, the channel of each column of its weight, -1 where it is none of the set.

    ``original`` is its matrix (outputs, columns) before any change.
    """

    layer: PrunableLayer
    columns: Mapping[str, Tensor]
    original: Tensor

    @property
    def matrix(self) -> Tensor:
        return _matrix(self.layer)

    def together(self, kept: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The channels of columns, numbered through all sets, and which of them stay."""
        channels, stays = torch.full((self.original.shape[1],), -1), torch.zeros(0, dtype=torch.bool)
        for name, columns in self.columns.items():
            channels = torch.where(columns < 0, channels, columns + len(stays))
            stays = torch.cat([stays, kept[name]])
        return channels, stays

    @torch.no_grad()
    def change(self, matrix: Tensor) -> None:
        self.layer.weight.copy_(matrix.view(self.layer.weight.shape))


def _matrix(layer: PrunableLayer) -> Tensor:
    return layer.weight.detach().flatten(1).double().cpu()


def _readers(learner: Learner, network: nn.Module, units: ChannelGrouping) -> dict[str, _Reader]:
    """All layers that read channels, in the order of a pass.

    Raises:
        UserError: a layer is not seen, or a set has none.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for of_set, channels in units.of.sets.items():
        if not channels.readers:
            raise UserError(f"no layer reads the channels of {of_set}: put it into criterion.exclude")
        for parameter, dim in channels.readers:
            found.setdefault(parameter, {})[of_set] = channels.members[parameter, dim]
    layers = {name: layer for name, layer in prunable(network).items() if layer.parameter in found}
    once = sampled_inputs(network, [learner.example(2, "calibration")], layers, 1, torch.Generator().manual_seed(0))
    for name in layers.keys() - once.keys():
        makers = {maker for each in found[layers[name].parameter] for maker in units.of.sets[each].producers}
        raise UserError(
            "channels are chosen by what convolutions without groups and linear layers that are called make of them, "
            f"and {name} is none of these: put what it reads into criterion.exclude, which is {', '.join(sorted(makers))}"
        )
    return {name: _reader(layers[name], found[layers[name].parameter]) for name in once}


def _reader(layer: PrunableLayer, places: Mapping[str, Tensor]) -> _Reader:
    kernel = layer.weight.shape[2:].numel()
    return _Reader(layer, {name: place.repeat_interleave(kernel) for name, place in places.items()}, _matrix(layer))


def _inputs(setting: Setting, network: nn.Module, readers: Collection[str]) -> dict[str, Tensor]:
    """Inputs of layers for all calibration batches: those at the same positions of the same examples each time."""
    score, layers = setting.cut.value.score, prunable(network)
    assert isinstance(score, Reconstruction)
    batches, draws = drawn(setting, score.batches), generator(setting.seed, "positions")
    return sampled_inputs(network, batches, {name: layers[name] for name in readers}, score.positions, draws)
