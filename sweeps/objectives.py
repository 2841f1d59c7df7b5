"""What a search over layers seeks: a front, or among the networks that keep to a limit the smallest or the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from pruneexp.config.checks import check_number
from pruneexp.errors import UserError
from pruneexp.schema import Metric
from sweeps.driver import Direction

Objective = Literal["pareto", "smallest", "best"]

#: How many values a trial has.
OBJECTIVES: Mapping[Objective, int] = {"pareto": 2, "smallest": 1, "best": 1}


class Limits(Protocol):
    """The options of a search that say which networks are allowed; ``max_cost`` is that of ``best`` alone."""

    @property
    def objective(self) -> str: ...
    @property
    def max_drop(self) -> float: ...
    @property
    def max_cost(self) -> float | None: ...


def check_limits(options: Limits) -> None:
    """Refuse a ``max_cost`` that is out of its range, or missing, or not asked for.

    Raises:
        UserError: says what is allowed.
    """
    if options.objective == "best" and options.max_cost is None:
        raise UserError(
            "study.objective=best seeks the best network within a cost: say with study.max_cost which share of the "
            "dense network's study.cost that is, as in study.max_cost=0.5"
        )
    if options.objective != "best" and options.max_cost is not None:
        raise UserError(
            f"study.max_cost={options.max_cost} is a limit of study.objective=best, and study.objective="
            f"{options.objective}: leave it out, or choose study.objective=best"
        )
    if options.max_cost is not None:
        check_number("study.max_cost", options.max_cost, 0, 1, open_end="low")


def directions(objective: Objective, metric: Metric, cost: str) -> Mapping[str, Direction]:
    """The names of a trial's values in the study, and which way is better."""
    if objective == "best":
        return {f"val {metric.word} lost": "minimize"}
    small: Mapping[str, Direction] = {cost: "minimize"}
    return {f"val {metric.word}": metric.direction, **small} if objective == "pareto" else small


def ranked(options: Limits, scored: Mapping[int, tuple[float, float]]) -> list[int]:
    """The numbers of the networks that keep to the limit, from the first choice on; by number (loss, cost)."""
    tried = {number: judged(options, *each) for number, each in scored.items()}
    allowed = [number for number, (_, excess) in tried.items() if excess <= 0]
    return sorted(allowed, key=lambda number: (tried[number][0], scored[number][1], number))


def limit_text(options: Limits, metric: Metric, cost: str, most: float) -> str:
    """What a network does that is worth a retraining; one of a front loses at most so much."""
    if options.max_cost is not None:
        return f"costs at most {options.max_cost:g} of the dense network's {cost}"
    drop = options.max_drop if options.objective == "smallest" else most
    return f"loses at most {drop:g} {metric.change_unit} of val {metric.word}"


def judged(options: Limits, loss: float, cost: float) -> tuple[float, float]:
    """What a search with a limit makes small, and by how much a network misses the limit: by 0 or less if allowed.

    ``loss`` is that of the metric on val, ``cost`` a share of the dense network's.
    """
    if options.max_cost is not None:
        return loss, cost - options.max_cost
    return cost, loss - options.max_drop
