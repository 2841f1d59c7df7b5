"""Trade-off points as rows of a table that people read: its headings, its cells, and what must be said below it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from pruneexp.schema import Metric, TradeoffPoint, doubts
from pruneexp.summary.spread import spread

#: What stands in the place of a budget in the row of the dense network.
DENSE = "dense"


def headings(metric: Metric) -> tuple[str, ...]:
    """Of a table of points that are judged by a metric; accuracy, in percent, needs no name."""
    moments = metric.heading("val", "before"), metric.heading("val", "after"), metric.heading("test", "after")
    return ("budget", "density", "rate", *moments, metric.change_heading("test"), "FLOP", "bytes")


def dense_row(points: Sequence[TradeoffPoint]) -> tuple[str, ...]:
    """The row of the network that all of these points, of one seed or of several, were pruned from."""
    name = points[0].identity.primary.name
    tests = [point.result.test for point in points]
    val = _cell([point.result.val.dense[name] for point in points])
    test = _cell([each.dense[name] for each in tests if each is not None])
    return (DENSE, "1.0000", "1.0x", "", val, test, "", "100.0%", "100.0%")


def row(points: Sequence[TradeoffPoint]) -> tuple[str, ...]:
    """The row of one point, or of those of several seeds at one budget: ``mean ± standard deviation`` of scores."""

    def cell(of: Callable[[TradeoffPoint], float | None], form: str = ".2f") -> str:
        return _cell([value for value in map(of, points) if value is not None], form)

    density = sum(point.result.density for point in points) / len(points)
    return (
        points[0].identity.budget.text,
        f"{density:.4f}",
        rate_text(density),
        cell(_before),
        cell(lambda point: point.result.val.after[point.identity.primary.name]),
        cell(_test_after),
        cell(_test_change, "+.2f"),
        _mean_share(points, lambda point: point.result.flop_effective / point.result.flop_dense),
        _mean_share(points, lambda point: point.result.bytes_sparse / point.result.bytes_dense),
    )


def remarks(point: TradeoffPoint) -> str:
    """What else must be known of a point, empty where there is nothing."""
    return "; ".join(_flags(point))


def rate_text(density: float) -> str:
    """``9.8x``, dense over kept weights; of a network that lost them all, that it did."""
    return f"{1 / density:.1f}x" if density else "all gone"


def _before(point: TradeoffPoint) -> float | None:
    before = point.result.val.before
    return None if before is None else before[point.identity.primary.name]


def _test_after(point: TradeoffPoint) -> float | None:
    test = point.result.test
    return None if test is None else test.after[point.identity.primary.name]


def _test_change(point: TradeoffPoint) -> float | None:
    test, metric = point.result.test, point.identity.primary
    return None if test is None else metric.change(test.dense[metric.name], test.after[metric.name])


def _mean_share(points: Sequence[TradeoffPoint], of: Callable[[TradeoffPoint], float]) -> str:
    return f"{sum(map(of, points)) / len(points):.1%}"


def _cell(values: Sequence[float], form: str = ".2f") -> str:
    if not values:
        return ""
    if not all(map(math.isfinite, values)):
        return format(sum(values) / len(values), form)
    found = spread(values)
    return format(found.mean, form) + (f" ± {found.std:.2f}" if found.std is not None else "")


def _flags(point: TradeoffPoint) -> Iterator[str]:
    yield from doubts(point)
    if point.collapsed:
        yield "collapse: " + ", ".join(point.collapsed)
    if point.density_missed:
        yield f"asked {point.result.density_asked:g}, kept {point.result.density_scope:.4g}"
