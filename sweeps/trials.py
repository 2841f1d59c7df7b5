"""Trials as trade-off points: levels per layer, or per set of channels, in, a recorded point out. Knows no Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from pruneexp.errors import UserError
from pruneexp.experiment.identity import AskedBy
from pruneexp.experiment.session import Record, Session
from pruneexp.modes.prune import Prune
from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.pruning.units.unit import Grouping, Units
from pruneexp.schema import LEVEL, Budget, BudgetKind, TradeoffPoint
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Route
from pruneexp.stages.mask import probe
from pruneexp.training.events import Listener


def kind_of(session: Session) -> BudgetKind:
    """What a level is under the criterion chosen.

    Raises:
        UserError: it has no level of its own for each layer.
    """
    cut = session.job.setting.cut.value
    if isinstance(cut.allocation, LayerStd) and cut.unit is None:
        return "quality"
    if isinstance(cut.allocation, PerLayer):
        return "density" if cut.unit is None else "units"
    raise UserError(
        f"criterion={session.choices['criterion']} has no level of its own for each layer: search with "
        "criterion=layer_std (qualities), criterion=layer_magnitude (densities) or criterion=channel_magnitude "
        "(shares of channels)"
    )


def units_of(session: Session, network: nn.Module) -> Units:
    """The units that the criterion of a session keeps or prunes as a whole in a network."""
    cut = session.job.setting.cut.value
    found = cut.units(network, session.job.setting.learner.trace)
    if isinstance(found, Units):
        return found
    assert found is not None
    return Grouping(found, {name: layer.weight.detach().cpu() for name, layer in cut.scope(network).items()})


def sizes_of(session: Session) -> dict[str, int]:
    """What the levels are shares of: the weights of each layer, or the units of each layer or set of channels."""
    cut, network = session.job.setting.cut.value, session.job.setting.learner.network("fresh")
    if cut.unit is None:
        return {name: layer.weight.numel() for name, layer in cut.scope(network).items()}
    return {name: len(sizes) for name, sizes in units_of(session, network).sizes.items()}


def leveled(session: Session, sizes: Mapping[str, int], levels: Mapping[str, float]) -> tuple[Session, Budget]:
    """The session whose cut has these levels, and the budget of that cut; ``sizes`` are those of ``sizes_of``."""
    kind = kind_of(session)
    if kind == "quality":
        return session.scaled(levels), Budget("quality", 1.0)
    overall = sum(sizes[name] * level for name, level in levels.items()) / sum(sizes.values())
    return session.scaled({name: level / overall for name, level in levels.items()}), Budget(kind, overall)


@dataclass(frozen=True)
class Bench:
    """Where the trials of one study are computed and recorded; ``sizes`` are those of ``sizes_of``."""

    session: Session
    record: Record
    study: str
    sizes: Mapping[str, int]

    def probe(self, number: int, levels: Mapping[str, float]) -> TradeoffPoint:
        """Cut and score on val, without retraining; the test split is not looked at."""
        varied, budget = self._varied(levels, 0)
        setting = varied.job.setting
        dense = train_dense(setting)
        return self._point(varied, number, levels, budget, Route((dense, probe(setting, dense, budget))))

    def retrain(
        self, number: int, levels: Mapping[str, float], epochs: int, watch: Listener | None = None
    ) -> TradeoffPoint:
        """Cut, retrain the survivors for so many epochs, score."""
        varied, budget = self._varied(levels, epochs)
        if watch is not None:
            varied = varied.watched(watch)
        return self._point(varied, number, levels, budget, Prune().route(varied.job.setting, (budget,)))

    def _varied(self, levels: Mapping[str, float], epochs: int) -> tuple[Session, Budget]:
        varied, budget = leveled(self.session, self.sizes, levels)
        return varied.retrained_for(epochs), budget

    def _point(
        self, varied: Session, number: int, levels: Mapping[str, float], budget: Budget, route: Route
    ) -> TradeoffPoint:
        of = varied.identity(budget, route, AskedBy(self.study, number))
        numbers = {f"{LEVEL}{name}": level for name, level in levels.items()}
        return varied.point(self.record, of, route, numbers)
