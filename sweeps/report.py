"""What a search has come to: numbers for its run, and a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from pruneexp.experiment.display import Display
from pruneexp.schema import Metric
from pruneexp.summary.rows import rate_text
from sweeps.driver import Worker


def best_of(finalists: Sequence[FrozenTrial], metric: Metric, dense: float) -> FrozenTrial | None:
    """The finalist with the best score on val, of equally good ones the cheapest; None where none was retrained."""
    retrained = [trial for trial in finalists if trial.state == TrialState.COMPLETE]
    return min(retrained, key=lambda trial: (metric.loss(dense, trial.values[0]), trial.values[1]), default=None)


def numbers(
    trials: Sequence[FrozenTrial], finalists: Sequence[FrozenTrial], best: FrozenTrial | None, metric: Metric
) -> Mapping[str, float]:
    """How many trials ended which way, how many finalists were retrained in full, and of a ``best`` one what it is."""
    counts = {
        f"trials.{state.name.lower()}": float(sum(trial.state == state for trial in trials))
        for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    }
    counts["finalists"] = float(sum(trial.state == TrialState.COMPLETE for trial in finalists))
    if best is None:
        return counts
    val, cost = best.values
    return {**counts, "best.trial": best.user_attrs["trial"], f"best.val.after.{metric.name}": val, "best.cost": cost}


def show(
    display: Display,
    worker: Worker,
    total: int,
    finalists: Sequence[FrozenTrial],
    best: FrozenTrial | None,
    metric: Metric,
    dense: float,
    cost: str,
) -> None:
    """The finalists by their primary metric, those that cost most first, then for each layer its level in each of them.

    ``cost`` is the name of what the search makes small; of the ``best``, where it seeks one, a line says which it is.
    """
    trials = worker.finished(total)
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    display.say(
        f"{len(trials)} trials: {len(trials) - len(failed) - pruned} complete, {pruned} given up, {len(failed)} failed"
    )
    for trial in failed[:5]:
        display.say(f"  trial {trial.number} failed: {trial.user_attrs.get('failure', 'no reason was told')}")
    layers = list(worker.space)
    retrained = [trial for trial in finalists if trial.state == TrialState.COMPLETE]
    shown = sorted(retrained, key=lambda trial: -trial.values[1])
    rows = [_row(trial, metric, dense) for trial in shown]
    beside = () if cost == "density" else ("density",)
    moments = metric.heading("val", "before"), metric.heading("val", "after"), metric.change_heading("val")
    display.sheet(("trial", cost, "rate", *beside, *moments, metric.heading("test", "after")), rows)
    for trial in shown:
        for doubt in trial.user_attrs.get("doubts", ()):
            display.say(f"trial {trial.user_attrs['trial']}: {doubt}")
    if best is not None:
        display.say(
            f"best on val: trial {best.user_attrs['trial']}, with {best.values[0]:.2f} "
            f"({metric.change(dense, best.values[0]):+.2f}) at {best.values[1]:.4f} of the dense network's {cost}"
        )
    if not rows:
        return
    display.say("the level of each layer, by trial:")
    display.sheet(("layer", *(row[0] for row in rows)), [_levels(layer, shown) for layer in layers])


def _row(trial: FrozenTrial, metric: Metric, dense: float) -> tuple[str, ...]:
    val, cost = trial.values
    density = trial.user_attrs.get("density")
    before, test = trial.user_attrs.get("before"), trial.user_attrs.get("test")
    return (
        str(trial.user_attrs["trial"]),
        f"{cost:.4f}",
        rate_text(cost),
        *([] if density is None else [f"{density:.4f}"]),
        "" if before is None else f"{before:.2f}",
        f"{val:.2f}",
        f"{metric.change(dense, val):+.2f}",
        "" if test is None else f"{test:.2f}",
    )


def _levels(layer: str, trials: Sequence[FrozenTrial]) -> tuple[str, ...]:
    return (layer, *(f"{trial.params[layer]:.3g}" for trial in trials))
