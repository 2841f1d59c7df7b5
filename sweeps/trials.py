"""Trials as trade-off points: levels per layer, or per set of channels, in, a recorded point out. Knows no Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pruneexp.experiment.identity import AskedBy
from pruneexp.experiment.points import assemble
from pruneexp.experiment.session import Record, Session
from pruneexp.modes.prune import Prune
from pruneexp.schema import LEVEL, Budget, PointResult, TradeoffPoint
from pruneexp.stages.dense import train_dense
from pruneexp.stages.graph import Route
from pruneexp.stages.mask import probe
from pruneexp.training.events import Listener
from sweeps.costs import TrialCost
from sweeps.levels import leveled


@dataclass(frozen=True)
class Bench:
    """Where the trials of one study are computed and recorded.

    ``sizes`` are those of ``levels.sizes_of``, and ``cost`` is what the search makes small.
    """

    session: Session
    record: Record
    study: str
    sizes: Mapping[str, int]
    cost: TrialCost

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

        def numbers(result: PointResult) -> dict[str, float]:
            asked = {f"{LEVEL}{name}": level for name, level in levels.items()}
            return asked | self.cost.numbers(result, levels)

        return varied.point(self.record, of, route, numbers)


def probed_share(session: Session, sizes: Mapping[str, int], cost: TrialCost, levels: Mapping[str, float]) -> float:
    """What a trial with these levels costs, by its probe; nothing is recorded."""
    session.store.stop_if_requested()
    varied, budget = leveled(session, sizes, levels)
    setting = varied.job.setting
    dense = train_dense(setting)
    route = Route((dense, probe(setting, dense, budget)))
    point = assemble(varied.identity(budget, route), route, varied.runner, setting.learner)
    return cost.share(point.result, levels)
