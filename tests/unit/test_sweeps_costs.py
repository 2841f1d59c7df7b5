"""What a search makes small: shares by hand, and what is retrained by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import optuna
import pytest

from pruneexp.errors import Infeasible
from pruneexp.schema import TOP1, PointResult, TradeoffPoint
from sweeps import costs
from sweeps.costs import TrialCost
from sweeps.evaluation import TrialEvaluator
from sweeps.objectives import directions
from sweeps.studies import instantiated
from sweeps.studies.layer_thresholds import LayerThresholds
from tests.contracts.points import point
from tests.contracts.studies import shipped
from tests.contracts.workers import worker

FLOP = TrialCost("flop", partial(costs._flop, False))


def two_layers(fc: float, conv: float, after: float) -> TradeoffPoint:
    """A linear layer of 9,000 weights and 18 kFLOP, and a convolution of 1,000 and 1.8 MFLOP, at these densities.

    Beside them stand 182 kFLOP, 500 numbers and 2,000 bytes.
    """
    kept, flop = round(9_000 * fc + 1_000 * conv), 18_000 * fc + 1_800_000 * conv
    result = replace(
        point(dense=97.0, after=after).result,
        density=kept / 10_000,
        flop_dense=1_818_000.0,
        flop_weights=flop,
        flop_total=2_000_000.0,
        network_total=10_500,
        network_kept=kept + 500,
        network_bytes_dense=42_000,
        network_bytes_sparse=5 * kept + 2_000,
    )
    return replace(point(), result=result)


def test_shares_of_the_dense_network_by_hand() -> None:
    result = two_layers(0.1, 0.5, 96.0).result  # 900 and 500 weights
    assert TrialCost().share(result, {}) == 0.14
    assert costs._flop(False, result, {}) == pytest.approx((1_800 + 900_000 + 182_000) / 2_000_000)
    assert costs._parameters(None, result, {}) == pytest.approx(1_900 / 10_500)
    assert costs._bytes(result, {}) == pytest.approx(9_000 / 42_000)
    assert TrialCost().numbers(result, {}) == {}
    assert FLOP.numbers(result, {}) == {"share/flop": costs._flop(False, result, {})}


def test_of_channels_the_small_network_counts() -> None:
    result = replace(two_layers(0.1, 0.5, 96.0).result, removed_flop=500_000.0, removed_parameters=1_020)
    assert costs._flop(True, result, {}) == 0.25
    assert costs._parameters(10_200, result, {}) == 0.1
    with pytest.raises(Infeasible, match="cannot be taken out"):
        costs._flop(True, replace(result, removed_flop=None), {})


#: By trial: densities of the linear layer and of the convolution, and accuracy on val. The first is that of the fewest
#: weights, the second that of the fewest FLOP; the last is worse than both in all.
TRIED = [(0.05, 1.0, 96.0), (1.0, 0.2, 95.5), (1.0, 1.0, 97.0), (1.0, 1.0, 95.0)]


class _Bench:
    session = SimpleNamespace(display=SimpleNamespace(points_done=lambda *_: None))

    def __init__(self, cost: TrialCost) -> None:
        self.cost = cost

    def probe(self, number: int, _: Mapping[str, float]) -> TradeoffPoint:
        return two_layers(*TRIED[number])


@pytest.mark.parametrize(
    ("cost", "front", "smallest", "values"),
    [
        (TrialCost(), [0, 2], 0, [0.145, 0.92, 1.0, 1.0]),  # the second has more weights than the first, and is worse
        (FLOP, [0, 1, 2], 1, [0.99145, 0.28, 1.0, 1.0]),
    ],
    ids=lambda value: value.name if isinstance(value, TrialCost) else "",
)
def test_the_cheapest_by_weights_is_not_the_cheapest_by_flop(
    cost: TrialCost, front: list[int], smallest: int, values: list[float]
) -> None:
    def told(**options: Any) -> tuple[list[optuna.trial.FrozenTrial], LayerThresholds]:
        study = instantiated(shipped("layer_thresholds", cost=cost.name, baselines=[], **options))
        assert isinstance(study, LayerThresholds)
        objectives = directions(study.objective, TOP1, cost.name)
        ours = worker(optuna.storages.InMemoryStorage(), objectives=objectives)
        ours.work(len(TRIED), TrialEvaluator(_Bench(cost), study, TOP1, 97.0, ours).evaluate)  # type: ignore[arg-type]
        return ours.finished(len(TRIED)), study

    trials, study = told(finalists=9)
    assert [trial.values[1] for trial in trials] == pytest.approx(values)
    assert [trial.number for trial in study._chosen(trials, TOP1, 97.0)] == front
    trials, study = told(finalists=1, objective="smallest", max_drop=1.6)
    assert [trial.values for trial in trials] == [pytest.approx([value]) for value in values]
    assert [trial.number for trial in study._chosen(trials, TOP1, 97.0)] == [smallest]


@pytest.mark.parametrize(("after", "value"), [(96.5, 1.2), (90.0, 1.26)])  # 6 points beyond the limit are 0.06 more
def test_a_single_value_ranks_what_is_not_allowed_behind_what_costs_more_than_the_dense_network(
    after: float, value: float
) -> None:
    def slower(_: PointResult, __: Mapping[str, float]) -> float:
        return 1.2

    study = instantiated(shipped("layer_thresholds", objective="smallest", sampler="cmaes", cost="latency"))
    assert isinstance(study, LayerThresholds)
    bench = _Bench(TrialCost("latency", slower))
    bench.probe = lambda *_: point(dense=97.0, after=after)  # type: ignore[method-assign]
    storage = optuna.storages.InMemoryStorage()
    ours = worker(storage, objectives={"latency": "minimize"})
    ours.work(1, TrialEvaluator(bench, study, TOP1, 97.0, ours).evaluate)  # type: ignore[arg-type]
    assert ours.finished(1)[0].values == pytest.approx([value])
