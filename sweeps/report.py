"""What a search has come to: numbers for its run, and a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from pruneexp.experiment.display import Display
from sweeps.driver import Worker

_COLUMNS = ("trial", "density", "rate", "val before", "val after", "test after", "change on val")


def numbers(trials: Sequence[FrozenTrial], finalists: Sequence[FrozenTrial]) -> Mapping[str, float]:
    """How many trials ended which way, and how many finalists were retrained in full."""
    counts = {
        f"trials.{state.name.lower()}": float(sum(trial.state == state for trial in trials))
        for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    }
    return {**counts, "finalists": float(sum(trial.state == TrialState.COMPLETE for trial in finalists))}


def show(display: Display, worker: Worker, total: int, finalists: Sequence[FrozenTrial], dense: float) -> None:
    """The finalists, the densest first; accuracies in percent, the levels of each layer behind them."""
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
    rows = [_row(trial, layers, dense) for trial in sorted(retrained, key=lambda trial: -trial.values[1])]
    display.sheet((*_COLUMNS, *layers), rows)
    for trial in retrained:
        for doubt in trial.user_attrs.get("doubts", ()):
            display.say(f"trial {trial.user_attrs['trial']}: {doubt}")


def _row(trial: FrozenTrial, layers: Sequence[str], dense: float) -> tuple[str, ...]:
    val, density = trial.values
    before, test = trial.user_attrs.get("before"), trial.user_attrs.get("test")
    return (
        str(trial.user_attrs["trial"]),
        f"{density:.4f}",
        f"{1 / density:.1f}x",
        "" if before is None else f"{before:.2f}",
        f"{val:.2f}",
        "" if test is None else f"{test:.2f}",
        f"{val - dense:+.2f}",
        *(f"{trial.params[layer]:.3g}" for layer in layers),
    )
