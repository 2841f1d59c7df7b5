"""What records say for and against Liu et al. 2019: their three claims, and two cases in which they say pruning pays.

Knows the columns of points, and no table. Every piece of evidence is one budget of one network under one set of
conditions, or all of them: a difference that is positive where the claim is right, paired by seed, and where compute
matters the share that it takes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.statistics import inference, selection, test_sets
from analysis.statistics.claimed import PENALTY
from analysis.statistics.columns import differences
from analysis.statistics.conditions import texts
from analysis.statistics.curves import budget_text
from analysis.statistics.inference import Comparison, Verdict
from analysis.statistics.modes import DensityRow, ModeColumns, beside_each_other
from pruneexp.schema import Metric

Stance = Literal["for", "against", "open"]


class Thesis(NamedTuple):
    """A claim in a few words, how it is tried, and the verdicts that speak for it and against it."""

    text: str
    tried: str
    right: tuple[Verdict, ...] = ("better", "no worse")
    wrong: tuple[Verdict, ...] = ("worse",)

    def asked(self, of: Comparison) -> Comparison:
        """The comparison with the question that decides: whether a loss is surely small, or any difference is."""
        return of._replace(bounds="loss" if "no worse" in self.right else "both")


LARGE_FIRST = Thesis("training a large network first is not needed", "Scratch-B is no worse than fine-tuned")
INHERITED = Thesis("inherited weights are not needed", "Scratch-E is no worse than fine-tuned")
INITIAL = Thesis("initial weights are not needed either", "Scratch-E is no worse than rewound")
ARCHITECTURE = Thesis(
    "the architecture is what counts",
    "from scratch, sizes that pruning discovered are better than predefined ones",
    right=("better",),
    wrong=("worse", "equivalent"),
)
GIVEN = Thesis("pruning pays where a trained network is given", "fine-tuned is no worse than Scratch-E, for less FLOP")
SIZES = Thesis(
    "pruning pays where several sizes are wanted",
    "fine-tuned sizes are on average no worse than Scratch-B of each, and take less FLOP with the dense network",
)
THESES = (LARGE_FIRST, INHERITED, INITIAL, ARCHITECTURE, GIVEN, SIZES)

#: Networks of two architectures are compared where their parameters differ by no more.
SAME_PARAMETERS = 0.05
#: What networks of two architectures may differ in.
_OWN = ("targets", "criterion", "prune_settings", "prunable", "exclude", "min_keep", *PENALTY)
_SAME = tuple(name for name in frames.CONDITIONS if name not in _OWN)


class Evidence(NamedTuple):
    """One budget of one network under one set of conditions, and what it says of a thesis.

    ``flop`` is the share of the other side's, where it matters. ``densities`` are one, or those of all sizes. ``gains``
    are what the difference is of, by seed.
    """

    thesis: Thesis
    data: str
    model: str
    criterion: str
    conditions: tuple[tuple[str, str], ...]
    budget: str
    densities: tuple[float, ...]
    difference: Comparison
    flop: float | None
    runs: tuple[str, ...]
    gains: Mapping[int, float]

    @property
    def stance(self) -> Stance:
        """What it comes to; open where the seeds do not settle it."""
        if self.flop is not None and self.flop >= 1.0:
            return "against"
        return _stance(self.thesis, self.difference)


class Whole(NamedTuple):
    """All that is logged for a thesis taken together: one number per seed, the mean over all pieces of evidence."""

    thesis: Thesis
    difference: Comparison
    pieces: int

    @property
    def stance(self) -> Stance:
        """What it comes to."""
        return _stance(self.thesis, self.difference)


def _stance(thesis: Thesis, difference: Comparison) -> Stance:
    if difference.verdict in thesis.right:
        return "for"
    return "against" if difference.verdict in thesis.wrong else "open"


def gathered(points: pd.DataFrame, metric: Metric, margin: float) -> tuple[Evidence, ...]:
    """All that the points say, of those that ``modes.scored`` gives, with the verdicts that they have together.

    ``points`` have their ``parameters`` too, whether they were pruned ``by_channels``, and the FLOP of their ledgers.
    """
    tuned = beside_each_other(points, metric, margin)
    fresh = beside_each_other(points[points["mode"].isin(("scratch_e", "rewind"))], metric, margin,
                              reference="scratch_e")  # fmt: skip
    inherited = list(_of_modes(INHERITED, tuned, "scratch_e"))
    found = [
        *_of_modes(LARGE_FIRST, tuned, "scratch_b"),
        *inherited,
        *_of_modes(INITIAL, fresh, "rewind", turned=True),
        *_of_architectures(points, metric, margin),
        *_of_a_given_network(inherited, points),
        *_of_sizes(tuned, points),
    ]
    asked = [one._replace(difference=one.thesis.asked(one.difference)) for one in _once(found, points)]
    return tuple(inference.together(asked))


def together(evidence: Sequence[Evidence]) -> tuple[Whole, ...]:
    """Each thesis with several differences, and no cost against it, over the seeds that all of them have.

    Differences of one seed share dense networks: hence a seed counts once, however many pieces of evidence it is in.
    """
    found = []
    for thesis in THESES:
        of = [one for one in evidence if one.thesis == thesis]
        costly = any(one.flop is not None and one.flop >= 1.0 for one in of)
        seeds = set.intersection(*(set(one.gains) for one in of)) if len(of) > 1 and not costly else set()
        if seeds:
            means = [math.fsum(one.gains[seed] for one in of) / len(of) for seed in sorted(seeds)]
            margin = max(one.difference.margin for one in of)
            found.append(Whole(thesis, thesis.asked(inference.compare(means, margin)), len(of)))
    return inference.together(found)


def _once(found: Sequence[Evidence], points: pd.DataFrame) -> list[Evidence]:
    """Each comparison of the same networks once: fresh weights are logged again beside each way of fine-tuning."""
    networks = dict(zip(points["run_id"], points["final_key"], strict=True))
    seen: dict[tuple[str, frozenset[str]], Evidence] = {}
    for one in found:
        seen.setdefault((one.thesis.text, frozenset(networks[run] for run in one.runs)), one)
    return list(seen.values())


def _of_modes(thesis: Thesis, made: ModeColumns, mode: str, *, turned: bool = False) -> Iterator[Evidence]:
    """What a mode is ahead of the reference by; ``turned``, the reference of the mode."""
    modes = dict(made.columns)
    several = sum(of == mode for of in modes.values()) > 1
    for entry in made.entries:
        for column, of in entry.against:
            if modes[column] == mode:
                one = _evidence(thesis, entry, of, dict(entry.gains)[column])
                told = (*one.conditions, *[("column", column)] * several)
                yield (_reversed(one) if turned else one)._replace(conditions=told)


def _evidence(thesis: Thesis, entry: DensityRow, of: Comparison, gains: Mapping[int, float]) -> Evidence:
    return Evidence(
        thesis=thesis,
        data=entry.data,
        model=entry.model,
        criterion=dict(entry.conditions)["criterion"],
        conditions=entry.conditions,
        budget=entry.budget,
        densities=(entry.density,),
        difference=of,
        flop=None,
        runs=entry.runs,
        gains=gains,
    )


def _reversed(one: Evidence) -> Evidence:
    """The same from the other side; without a verdict yet."""
    of = one.difference
    low, high = (None if end is None else -end for end in (of.high, of.low))
    gains = {seed: -gain for seed, gain in one.gains.items()}
    return one._replace(difference=of._replace(mean=-of.mean, low=low, high=high), gains=gains)


def _of_architectures(points: pd.DataFrame, metric: Metric, margin: float) -> Iterator[Evidence]:
    """Networks from scratch whose sizes pruning discovered, against predefined ones of as many parameters."""
    scratch = points[points["mode"] == "scratch_e"]
    own = [name for name in _OWN if name in scratch]
    for key, rows in selection.groups(scratch, (*frames.SUBJECT, *_SAME, *frames.BUDGET, "by_channels")):
        sides = list(selection.groups(rows, own))
        ours, theirs = (
            [item for item in sides if item[0].get("targets") == kind] for kind in ("discovered", "predefined")
        )
        for (one, discovered), (other, predefined) in itertools.product(ours, theirs):
            sizes = [float(side["parameters"].mean()) for side in (discovered, predefined)]
            both = discovered.merge(predefined, on="seed", suffixes=("", "_other"))
            scores = [dict(zip(both["seed"], both[name], strict=True)) for name in ("after", "after_other")]
            gains = differences(scores[0], scores[1], metric)
            if gains and math.isclose(*sizes, rel_tol=SAME_PARAMETERS):
                yield Evidence(
                    ARCHITECTURE, str(key["data"]), str(key["model"]),
                    f"{one['criterion']} against {other['criterion']}", _told(key, one),
                    budget_text(str(key["budget.kind"]), float(key["budget.value"])),
                    (float(discovered["density_scope"].mean()),),
                    inference.compare(list(gains.values()), test_sets.margin(rows, margin)), None,
                    tuple(sorted({*both["run_id"], *both["run_id_other"]})), gains,
                )  # fmt: skip


def _told(key: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return texts({**key, **own}, frames.CONDITIONS)


def _of_a_given_network(inherited: Sequence[Evidence], points: pd.DataFrame) -> Iterator[Evidence]:
    """The same comparisons from the other side, with the FLOP of each side beyond the dense network."""
    for one in inherited:
        flop = _ratio(_flop(points, one, "prune"), _flop(points, one, "scratch_e"))
        if flop is not None:
            yield _reversed(one)._replace(thesis=GIVEN, flop=flop)


def _of_sizes(made: ModeColumns, points: pd.DataFrame) -> Iterator[Evidence]:
    """All sizes under one set of conditions: the dense network and fine-tuning, against Scratch-B of each.

    The difference is the mean over the sizes, of the seeds that all have.
    """
    column = next((name for name, mode in made.columns if mode == "scratch_b"), "")
    for _, same in itertools.groupby(made.entries, lambda entry: (entry.data, entry.model, entry.conditions)):
        costs = [(entry, _flop(points, entry, "prune"), _flop(points, entry, "scratch_b"))
                 for entry in same if column in dict(entry.gains)]  # fmt: skip
        both = [(entry, tuned, fresh) for entry, tuned, fresh in costs if tuned and fresh]
        behind = [dict(entry.gains)[column] for entry, _, _ in both]
        seeds = sorted(set.intersection(*map(set, behind))) if len(both) > 1 else []
        if not seeds:
            continue
        gains = {seed: -math.fsum(of[seed] for of in behind) / len(behind) for seed in seeds}
        margin = max(dict(entry.against)[column].margin for entry, _, _ in both)
        first = both[0][0]
        tuned_all = [tuned for _, tuned, _ in both]  # in rounds, the cost of the last has that of all before it
        tuned = math.fsum(tuned_all) if dict(first.conditions)["schedule"] == "one_shot" else max(tuned_all)
        dense = float(_of_runs(points, first, "prune")["ledger.dense.flop"].mean())
        flop = _ratio(dense + tuned, math.fsum(fresh for _, _, fresh in both))
        runs = tuple(sorted({run for entry, _, _ in both for run in entry.runs}))
        yield _evidence(SIZES, first, inference.compare(list(gains.values()), margin), gains)._replace(
            budget="all", densities=tuple(entry.density for entry, _, _ in both), flop=flop, runs=runs
        )


def _flop(points: pd.DataFrame, entry: DensityRow | Evidence, mode: str) -> float:
    """The mean compute behind the points of a row in one mode, beyond that of the dense network; 0 without a point."""
    rows = _of_runs(points, entry, mode)
    return math.fsum(float(rows[f"ledger.{kind}.flop"].mean()) for kind in ("prune", "retrain", "scratch") if len(rows))


def _of_runs(points: pd.DataFrame, entry: DensityRow | Evidence, mode: str) -> pd.DataFrame:
    return points[points["run_id"].isin(entry.runs) & (points["mode"] == mode)]


def _ratio(one: float, other: float) -> float | None:
    return one / other if one > 0.0 and other > 0.0 else None


def summed(evidence: Sequence[Evidence]) -> dict[Stance, tuple[Evidence, ...]]:
    """Evidence by what it comes to."""
    stances: tuple[Stance, ...] = ("for", "against", "open")
    return {stance: tuple(one for one in evidence if one.stance == stance) for stance in stances}
