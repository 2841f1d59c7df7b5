"""The three claims of Liu et al. 2019, and when they say pruning pays: what is logged for each, and against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.names import display_name, display_subject
from analysis.publishing.numbers import CsvRow, verdict_columns
from analysis.publishing.sheet import MISSING, TableSheet, table_sheet
from analysis.records.frames import Split
from analysis.statistics import inference, scoring, test_sets
from analysis.statistics.conditions import joined, telling, words
from analysis.statistics.evidence import THESES, Evidence, Whole, gathered, summed, together
from analysis.statistics.modes import scored
from pruneexp.errors import UserError
from pruneexp.schema import Metric

_LEDGER = tuple(f"ledger.{kind}.flop" for kind in ("dense", "prune", "retrain", "scratch"))


class Scorecard(NamedTuple):
    """The table, by the primary metric; ``evidence`` in the order of the claims, and what it comes to as a whole."""

    split: Split
    metric: Metric
    evidence: tuple[Evidence, ...]
    wholes: tuple[Whole, ...]
    test_set: str


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are compared on"] = "test",
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
) -> Scorecard:
    """Every claim on all networks and budgets that it can be tried on, paired by seed.

    Raises:
        UserError: none can be tried.
    """
    metric = scoring.primary(frame)
    points = scored(frame, metric, split)
    removed = frame["removed_parameters"]
    more = frame.assign(parameters=removed.fillna(frame["weights_kept"]), by_channels=removed.notna())
    own = ["run_id", "parameters", "by_channels", *_LEDGER, *{"targets"} & set(frame)]
    points = points.merge(more[own], on="run_id")
    found = gathered(points, metric, margin)
    if not found:
        raise UserError("no claim can be tried: they need networks that were fine-tuned and others that were trained "
                        "from scratch, as mode=prune,scratch_e,scratch_b makes them.")  # fmt: skip
    shown = {run for one in found for run in one.runs}
    note = test_sets.note(frame[frame["run_id"].isin(shown)], metric, split)
    return Scorecard(split, metric, tuple(sorted(found, key=_place)), together(found), note)


def _place(one: Evidence) -> tuple[object, ...]:
    return THESES.index(one.thesis), one.data, one.model, one.criterion, one.conditions, [-d for d in one.densities]


def rows(made: Scorecard) -> Iterator[CsvRow]:
    """One piece of evidence; the difference is positive where the claim is right.

    ``flop_share`` is that of the side which the claim favours over the other's.
    """
    for one in made.evidence:
        told = {
            "data": one.data,
            "model": one.model,
            "metric": made.metric.name,
            "criterion": one.criterion,
            "conditions": joined(one.conditions),
            "budget": one.budget,
            "densities": " ".join(f"{density:.10g}" for density in one.densities),
        }
        yield _row(one, told, one.flop, one.runs)
    for whole in made.wholes:
        told = {
            "data": "all",
            "model": "all",
            "metric": made.metric.name,
            "criterion": "all",
            "conditions": "",
            "budget": "all",
            "densities": "",
        }
        runs = {run for one in made.evidence if one.thesis == whole.thesis for run in one.runs}
        yield _row(whole, told, None, sorted(runs))


def _row(one: Evidence | Whole, told: CsvRow, flop: float | None, runs: Iterable[str]) -> CsvRow:
    return {
        "claim": one.thesis.text,
        "tried": one.thesis.tried,
        "stance": one.stance,
        **told,
        "n": one.difference.n,
        **verdict_columns(one.difference),
        "flop_share": flop,
        "runs": " ".join(runs),
    }


def sheet(made: Scorecard) -> TableSheet:
    subjects = tuple(dict.fromkeys(map(_subject, made.evidence)))
    named = len(subjects) > 1
    where = "" if named else f" with {subjects[0]}"
    lines = [
        line
        for thesis in THESES
        if (of := [one for one in made.evidence if one.thesis == thesis])
        for line in _lines(of, next((one for one in made.wholes if one.thesis == thesis), None), named)
    ]
    measured = scoring.with_unit(made.metric, f"{made.metric.title} on {made.split}")
    return table_sheet(
        f"The claims of Liu et al. 2019, tried{where}: {measured}",
        ("Claim", *["Network"] * named, "Criterion", "For, at densities", "Against", "Open", "Difference", "FLOP"),
        "l" * (6 + named) + "r",
        lines,
        _notes(made),
    )  # fmt: skip


def _lines(evidence: Sequence[Evidence], whole: Whole | None, named: bool) -> Iterator[tuple[str, ...]]:
    """A line with the claim and what it comes to, then one for each network and set of conditions."""
    thesis, counts = evidence[0].thesis, {name: len(of) for name, of in summed(evidence).items()}
    mean = f"mean {scoring.with_interval(whole.difference)}: {_settled(whole)}" if whole else ""
    yield thesis.text, *[""] * named, "all", *(str(count) for count in counts.values()), mean, ""
    for (subject, settings), found in groupby(evidence, lambda one: (_subject(one), _settings(one, evidence))):
        same = list(found)
        densities = [_densities(of) for of in summed(same).values()]
        yield "", *[subject] * named, settings, *densities, _lowest(same), _flop(same)


def _subject(one: Evidence) -> str:
    return display_subject(one.model, one.data)


def _settings(one: Evidence, among: Sequence[Evidence]) -> str:
    """The criterion, and the conditions that tell it from others of the same network and criterion."""
    alike = [dict(each.conditions) for each in among
             if (each.data, each.model, each.criterion) == (one.data, one.model, one.criterion)]  # fmt: skip
    names = tuple(dict.fromkeys(name for key in alike for name in key))
    needed = telling([{name: key.get(name) for name in names} for key in alike], names)
    own = dict(one.conditions)
    told = words({name: own.get(name) for name in names}, needed)
    return ", ".join(filter(None, (display_name("criterion", one.criterion), told)))


def _densities(of: Sequence[Evidence]) -> str:
    return ", ".join(f"{density:.3g}" for one in of for density in one.densities) or MISSING


def _settled(whole: Whole) -> str:
    """What the claim comes to as a whole: for, against or open, and by which verdict."""
    return f"{whole.stance} ({whole.difference.said()})"


def _lowest(of: Sequence[Evidence]) -> str:
    return scoring.with_interval(min((one.difference for one in of), key=lambda each: each.mean))


def _flop(of: Sequence[Evidence]) -> str:
    """The share of compute, or the range of it."""
    known = sorted(one.flop for one in of if one.flop is not None)
    return " to ".join(dict.fromkeys(f"{share:.2f}×" for share in (known[0], known[-1]))) if known else ""


def _notes(made: Scorecard) -> Iterator[str]:
    for thesis in THESES:
        if any(one.thesis == thesis for one in made.evidence):
            yield f"{thesis.text[0].upper()}{thesis.text[1:]}: holds where {thesis.tried}."
    judged = [one.difference for one in made.evidence if one.difference.verdict != "no verdict"]
    margins = scoring.amounts(made.metric, (of.margin for of in judged))
    yield (
        f"Difference: of {scoring.values_of(made.metric)}, the lowest of the densities of the line, positive where the "
        "claim is right, mean over seeds, paired, with its 95 % interval. For and against: "
        f"{inference.corrected(judged)}"
        + (f"; no worse: surely by no more than {margins}." if judged else ".")
        + f" Open: not settled, or on fewer than {inference.FEWEST_SEEDS} seeds."
    )
    if made.wholes:
        yield (
            "Beside the claim: the mean of all its lines and densities, one number per seed, of the seeds that all "
            f"have; Holm over these {len(made.wholes)}."
        )
    if any(one.flop is not None for one in made.evidence):
        yield (
            "FLOP: of fine-tuning over those from scratch; where several sizes are wanted, of all of them, with the "
            "training of the dense network, once, and the difference is the mean over the sizes. As many FLOP or more "
            "speak against the claim, whichever is better."
        )
    yield made.test_set
