"""The largest compression that costs at most epsilon: which point that is, chosen on val, and how sure the choice is.

Knows the columns of points, and no table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.names import display_name
from analysis.records import frames
from analysis.statistics import choices, inference, scoring, selection
from analysis.statistics.conditions import telling, texts, words
from analysis.statistics.inference import Comparison
from pruneexp.schema import Metric
from pruneexp.summary.spread import spread

#: What a dense network depends on, beside its seed.
_DENSE = ("dense_settings", "reg", "reg_strength", "reg_settings", "precision")
#: Told of every candidate.
_TOLD = ("reg", "schedule", "criterion")
_SLACK = 1e-9  # of a change: means of floats are not exact
#: Fewer seeds do not say how they scatter, and so not what others would have chosen.
_FEWEST = inference.FEWEST_SEEDS


class Candidate(NamedTuple):
    """One budget of one curve, with a row per seed; ``name`` tells it from the other candidates in words.

    ``val_change`` is the change of its mean on val against that of the reference.
    """

    name: str
    conditions: tuple[tuple[str, str], ...]
    rows: pd.DataFrame
    kept: float
    rate: float
    val_change: float


class Certainty(NamedTuple):
    """What other seeds might have chosen: a rate from ``low`` to ``high`` in 95 % of draws, 1 where nothing is free.

    ``shares`` has every candidate that some draw chose with the share of draws that did, the most frequent first;
    ``nothing`` is the share of draws in which no candidate was good enough.
    """

    low: float
    high: float
    shares: tuple[tuple[Candidate, float], ...]
    nothing: float


class Choice(NamedTuple):
    """``chosen`` of the candidates, or None where none is good enough; ``closest`` is the best of all on val.

    ``reference`` has a row per seed of the dense network. ``test_change`` compares ``chosen`` with it on test, seed by
    seed, as gains; None where they share no seed. ``certainty`` is None where there are too few seeds to tell.
    """

    reference: pd.DataFrame
    chosen: Candidate | None
    closest: Candidate
    test_change: Comparison | None
    certainty: Certainty | None


def choose(points: pd.DataFrame, metric: Metric, epsilon: float, margin: float) -> Choice:
    """The choice among the points of one network and data set, and the dense networks that they were pruned from.

    The reference is the dense network with the best mean on val, so that pruning a weak one does not count as free. A
    candidate counts only with as many seeds as the best covered one: a lucky single seed is no headline.
    """
    references = _references(points, metric)
    reference = max(references, key=lambda rows: scoring.gain(metric, spread(rows[_val(metric, "dense")]).mean))
    candidates = _candidates(points, spread(reference[_val(metric, "dense")]).mean, metric)
    gains = [scoring.gain(metric, one.val_change) for one in candidates]
    order = sorted(range(len(candidates)), key=lambda place: (-candidates[place].rate, -gains[place]))
    free = [candidates[place] for place in order if gains[place] >= -epsilon - _SLACK]
    chosen = free[0] if free else None
    closest = candidates[max(order, key=gains.__getitem__)]
    change = None if chosen is None else _test_change(reference, chosen.rows, metric, margin)
    certain = _certainty(references, candidates, metric, epsilon)
    return Choice(reference, chosen, closest, change, certain)


def _val(metric: Metric, moment: str) -> str:
    return f"val.{moment}.{metric.name}"


def _references(points: pd.DataFrame, metric: Metric) -> list[pd.DataFrame]:
    """A row per seed of each kind of dense network, of the kinds with the most seeds."""
    found = [rows.drop_duplicates("dense_key").sort_values("seed") for _, rows in selection.groups(points, _DENSE)]
    most = max(map(len, found))
    return [rows for rows in found if len(rows) == most]


def _candidates(points: pd.DataFrame, base: float, metric: Metric) -> list[Candidate]:
    found = list(selection.groups(points, (*frames.CONDITIONS, *frames.BUDGET)))
    most = max(len(rows) for _, rows in found)
    found = [(key, rows) for key, rows in found if len(rows) == most]
    keys = [key for key, _ in found]
    made = [_candidate(key, keys, rows.sort_values("seed"), base, metric) for key, rows in found]
    return sorted(made, key=lambda one: (one.conditions, *sorted(one.rows["run_id"])))


def _candidate(
    key: Mapping[str, Any], keys: Sequence[Mapping[str, Any]], rows: pd.DataFrame, base: float, metric: Metric
) -> Candidate:
    alike = [other for other in keys if all(other[name] == key[name] for name in _TOLD)]
    differing = words(key, telling(alike, frames.CONDITIONS))
    kept = spread(rows["weights_kept"]).mean
    return Candidate(
        name=", ".join(filter(None, (*(display_name(name, key[name]) for name in _TOLD), differing))),
        conditions=texts(key, tuple(key)),
        rows=rows,
        kept=kept,
        rate=float(rows["weights_total"].iloc[0]) / max(1.0, kept),
        val_change=metric.change(base, spread(rows[_val(metric, "after")]).mean),
    )


def _test_change(reference: pd.DataFrame, pruned: pd.DataFrame, metric: Metric, margin: float) -> Comparison | None:
    """The change on test of each seed that both have, as a gain; only a loss counts against what is called free."""
    dense = dict(zip(reference["seed"], reference[f"test.dense.{metric.name}"], strict=True))
    after = zip(pruned["seed"], pruned[f"test.after.{metric.name}"], strict=True)
    gains = [scoring.gain(metric, metric.change(dense[seed], value)) for seed, value in after if seed in dense]
    return inference.compare(gains, margin, "loss") if gains else None


def _certainty(
    references: Sequence[pd.DataFrame], candidates: Sequence[Candidate], metric: Metric, epsilon: float
) -> Certainty | None:
    """The whole choice made again, reference and candidate, with means that other seeds might have given."""
    if min(len(references[0]), len(candidates[0].rows)) < _FEWEST:
        return None
    values = [_by_seed(rows, _val(metric, "dense"), metric) for rows in references]
    values += [_by_seed(one.rows, _val(metric, "after"), metric) for one in candidates]
    means = choices.means(values)
    base = means[:, : len(references)].max(axis=1)
    loss = epsilon if metric.unit == "%" else epsilon / 100.0 * np.abs(base)
    rates = np.array([one.rate for one in candidates])
    chosen = choices.largest_allowed(rates, means[:, len(references) :], base - loss - _SLACK)
    low, high = choices.interval(np.where(chosen >= 0, rates[chosen], 1.0))
    counts = Counter(map(int, chosen))
    nothing = counts.pop(-1, 0) / len(chosen)
    shares = tuple((candidates[place], count / len(chosen)) for place, count in counts.most_common())
    return Certainty(low, high, shares, nothing)


def _by_seed(rows: pd.DataFrame, column: str, metric: Metric) -> dict[int, float]:
    """The values of a column by seed, the larger the better."""
    return dict(zip(map(int, rows["seed"]), map(float, scoring.gain(metric, rows[column])), strict=True))
