"""A trade-off point from the records of its stages; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pruneexp.cost.activations import Activations
from pruneexp.cost.cost import Cost
from pruneexp.cost.counts import LayerCount
from pruneexp.cost.rows import layer_rows, totals
from pruneexp.schema import Effort, Ledger, OwnCosts, PointIdentity, PointResult, Scores, TradeoffPoint, score
from pruneexp.stages.graph import Route, Runner
from pruneexp.stages.setting import Learner

#: Part of a point's key: raised where what is assembled here, or counted in ``cost``, changes.
VERSION = 3


def assemble(
    of: PointIdentity, route: Route, runner: Runner, learner: Learner, costs: Mapping[str, Cost] | None = None
) -> TradeoffPoint:
    """Compute what is missing of a route, and put its point together.

    Raises:
        Exception: what stopped a stage.
    """
    records = {step.key: runner.record(step) for step in route.steps}
    dense, mask, final = (records[step.key] for step in (route.dense, route.mask, route.final))
    measured = Activations(**final["activations"])
    rows = layer_rows(
        [LayerCount(**count) for count in final.get("counts", mask["counts"])], learner.costs.layer_flop, measured
    )
    inherited = route.final.of.inherits
    whole, removed = totals(rows, measured), mask.get("removed", {})
    result = PointResult(
        **whole,
        flop_total=learner.costs.flop_total,
        network_total=whole["weights_total"] + learner.costs.numbers_beside,
        network_kept=whole["weights_kept"] + learner.costs.numbers_beside,
        network_bytes_dense=whole["bytes_dense"] + learner.costs.bytes_beside,
        network_bytes_sparse=whole["bytes_sparse"] + learner.costs.bytes_beside,
        test_examples=len(learner.data.value.test) if "test" in final else None,
        removed_parameters=removed.get("parameters"),
        removed_flop=removed.get("flop"),
        density_asked=of.budget.value if of.budget.kind == "density" else None,
        density_scope=mask["density_scope"],
        val=_scores("val", dense, mask if inherited else None, final),
        test=_scores("test", dense, mask if inherited else None, final) if "test" in final else None,
        ledger=_ledger(route, records, runner),
        cost=OwnCosts(values={name: float(cost(rows)) for name, cost in (costs or {}).items()}),
    )
    of = replace(of, device=final["device"])  # where it was computed, which the store may know better than this job
    return TradeoffPoint(
        identity=of,
        result=result,
        layers=rows,
        collapsed=tuple(mask["collapsed"]),
        disconnected=final["disconnected"],
    )


def _scores(split: str, dense: Mapping[str, Any], mask: Mapping[str, Any] | None, final: Mapping[str, Any]) -> Scores:
    before = score(mask[split]) if mask is not None else None
    return Scores(dense=score(dense[split]), before=before, after=score(final[split]))


def _ledger(route: Route, records: Mapping[str, Mapping[str, Any]], runner: Runner) -> Ledger:
    columns: dict[str, Effort] = {}
    for step in route.steps:
        name, own = step.of.column, Effort(**records[step.key]["effort"])
        sofar = columns.get(name, Effort())
        columns[name] = Effort(
            epochs=sofar.epochs + own.epochs,
            flop=sofar.flop + own.flop,
            seconds=sofar.seconds + own.seconds,
            stages=sofar.stages + 1,
            cached=sofar.cached + runner.hits[step.key],
        )
    return Ledger(**columns)
