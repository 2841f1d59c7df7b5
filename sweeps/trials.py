"""Trials as trade-off points: levels per layer in, a recorded point out. Knows no Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pruneexp.errors import UserError
from pruneexp.experiment.identity import AskedBy
from pruneexp.experiment.session import Record, Session
from pruneexp.modes.prune import Prune
from pruneexp.pruning.allocations.layer_std import LayerStd
from pruneexp.pruning.allocations.per_layer import PerLayer
from pruneexp.schema import LEVEL, Budget, BudgetKind, TradeoffPoint
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Route
from pruneexp.stages.mask import probe
from pruneexp.training.events import Listener


def kind_of(session: Session) -> BudgetKind:
    """What a level is under the allocation chosen.

    Raises:
        UserError: the allocation has no level of its own for each layer.
    """
    allocation = session.job.setting.cut.value.allocation
    if isinstance(allocation, LayerStd):
        return "quality"
    if isinstance(allocation, PerLayer):
        return "density"
    raise UserError(
        f"criterion={session.choices['criterion']} has no level of its own for each layer: search with "
        "criterion=layer_std (qualities) or criterion=layer_magnitude (densities)"
    )


@dataclass(frozen=True)
class Bench:
    """Where the trials of one study are computed and recorded; ``sizes`` holds the weights of each layer."""

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
        if kind_of(self.session) == "quality":
            budget, scale = Budget("quality", 1.0), dict(levels)
        else:
            overall = sum(self.sizes[name] * level for name, level in levels.items()) / sum(self.sizes.values())
            budget, scale = Budget("density", overall), {name: level / overall for name, level in levels.items()}
        return self.session.scaled(scale).retrained_for(epochs), budget

    def _point(
        self, varied: Session, number: int, levels: Mapping[str, float], budget: Budget, route: Route
    ) -> TradeoffPoint:
        of = varied.identity(budget, route, AskedBy(self.study, number))
        numbers = {f"{LEVEL}{name}": level for name, level in levels.items()}
        return varied.point(self.record, of, route, numbers)
