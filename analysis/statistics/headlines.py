"""The largest compression that costs at most epsilon: which point that is, chosen on val, and how sure the choice is.

Knows the columns of points, and no table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.names import display_name
from analysis.records import frames
from analysis.statistics import choices, inference, scoring, selection
from analysis.statistics.conditions import telling, texts, words
from analysis.statistics.inference import Comparison
from pruneexp.schema import TOP5, Metric
from pruneexp.summary.spread import spread

#: What a dense network depends on, beside its seed.
_DENSE = ("dense_settings", "reg", "reg_strength", "reg_settings", "precision")
#: Told of every candidate.
_TOLD = ("reg", "schedule", "criterion")
_SLACK = 1e-9  # of a change: means of floats are not exact


class SeedScores(NamedTuple):
    """Scores of a network by seed: on val and on test by the metric, and by top-5 accuracy where there is one."""

    val: tuple[tuple[int, float], ...]
    test: tuple[tuple[int, float], ...]
    test_top5: tuple[tuple[int, float], ...]
    runs: tuple[str, ...]


class Candidate(NamedTuple):
    """One budget of one curve; ``name`` tells it from the other candidates in words.

    ``val_change`` is the change of its mean on val against that of the reference.
    """

    name: str
    conditions: tuple[tuple[str, str], ...]
    scores: SeedScores
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

    ``reference`` is the dense network that they are held against. ``test_change`` compares ``chosen`` with it on test,
    seed by seed, as gains; None where they share no seed. ``certainty`` is None where too few seeds tell.
    """

    reference: SeedScores
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
    reference = max(references, key=lambda one: scoring.gain(metric, _mean(one.val)))
    candidates = _candidates(points, _mean(reference.val), metric)
    gains = [scoring.gain(metric, one.val_change) for one in candidates]
    order = sorted(range(len(candidates)), key=lambda place: (-candidates[place].rate, -gains[place]))
    free = [candidates[place] for place in order if gains[place] >= -epsilon - _SLACK]
    chosen = free[0] if free else None
    closest = candidates[max(order, key=gains.__getitem__)]
    change = None if chosen is None else _test_change(reference, chosen.scores, metric, margin)
    return Choice(reference, chosen, closest, change, _certainty(references, candidates, metric, epsilon))


def _mean(by_seed: Iterable[tuple[int, float]]) -> float:
    return spread(value for _, value in by_seed).mean


def _scores(rows: pd.DataFrame, moment: str, metric: Metric) -> SeedScores:
    """The scores at a moment of the points of one budget and curve, or of any points with the same dense networks."""
    columns = (f"val.{moment}.{metric.name}", f"test.{moment}.{metric.name}", f"test.{moment}.{TOP5.name}")
    val, test, top5 = (
        tuple(sorted((int(seed), float(value)) for seed, value in rows[["seed", name]].dropna().to_numpy()))
        for name in columns
    )
    return SeedScores(val, test, top5, tuple(sorted(rows["run_id"])))


def _references(points: pd.DataFrame, metric: Metric) -> list[SeedScores]:
    """Each kind of dense network, of the kinds with the most seeds."""
    found = [rows.drop_duplicates("dense_key") for _, rows in selection.groups(points, _DENSE)]
    most = max(map(len, found))
    return [_scores(rows, "dense", metric) for rows in found if len(rows) == most]


def _candidates(points: pd.DataFrame, base: float, metric: Metric) -> list[Candidate]:
    found = list(selection.groups(points, (*frames.CONDITIONS, *frames.BUDGET)))
    most = max(len(rows) for _, rows in found)
    found = [(key, rows) for key, rows in found if len(rows) == most]
    keys = [key for key, _ in found]
    made = [_candidate(key, keys, rows, base, metric) for key, rows in found]
    return sorted(made, key=lambda one: (one.conditions, one.scores.runs))


def _candidate(
    key: Mapping[str, Any], keys: Sequence[Mapping[str, Any]], rows: pd.DataFrame, base: float, metric: Metric
) -> Candidate:
    alike = [other for other in keys if all(other[name] == key[name] for name in _TOLD)]
    differing = words(key, telling(alike, frames.CONDITIONS))
    kept, scores = spread(rows["weights_kept"]).mean, _scores(rows, "after", metric)
    return Candidate(
        name=", ".join(filter(None, (*(display_name(name, key[name]) for name in _TOLD), differing))),
        conditions=texts(key, tuple(key)),
        scores=scores,
        kept=kept,
        rate=float(rows["weights_total"].iloc[0]) / max(1.0, kept),
        val_change=metric.change(base, _mean(scores.val)),
    )


def _test_change(reference: SeedScores, pruned: SeedScores, metric: Metric, margin: float) -> Comparison | None:
    """The change on test of each seed that both have, as a gain; only a loss counts against what is called free."""
    dense = dict(reference.test)
    changes = [metric.change(dense[seed], value) for seed, value in pruned.test if seed in dense]
    return inference.compare([scoring.gain(metric, one) for one in changes], margin, "loss") if changes else None


def _certainty(
    references: Sequence[SeedScores], candidates: Sequence[Candidate], metric: Metric, epsilon: float
) -> Certainty | None:
    """The whole choice made again, reference and candidate, with means that other seeds might have given."""
    if min(len(references[0].val), len(candidates[0].scores.val)) < inference.FEWEST_SEEDS:
        return None
    scored = [*references, *(one.scores for one in candidates)]
    means = choices.means([{seed: scoring.gain(metric, value) for seed, value in one.val} for one in scored])
    base = means[:, : len(references)].max(axis=1)
    loss = epsilon if metric.unit == "%" else epsilon / 100.0 * np.abs(base)
    rates = np.array([one.rate for one in candidates])
    chosen = choices.largest_allowed(list(rates), means[:, len(references) :], base - loss - _SLACK)
    low, high = choices.interval(np.where(chosen >= 0, rates[chosen], 1.0))
    counts = Counter(map(int, chosen))
    nothing = counts.pop(-1, 0) / len(chosen)
    return Certainty(
        low, high, tuple((candidates[place], count / len(chosen)) for place, count in counts.most_common()), nothing
    )
