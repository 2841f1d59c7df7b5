"""On made-up scenes the caption generator learns, and keeps its scores when most of its weights are pruned."""

from __future__ import annotations

from pathlib import Path

from tests.contracts.commands import called
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store


def test_scores_fall_without_retraining_and_come_back_with_it(tmp_path: Path) -> None:
    """As in Han's thesis, Figure 3.7; a network that knows no word from another has a perplexity of 28."""
    fresh_store(tmp_path)
    words = ("curve.densities=[0.2]", "device=cpu", "runtime.progress=false", "runtime.dashboard=false")
    done = called(tmp_path, "experiment=hanthesis/caption_shapes", *words)
    assert done.returncode == 0, done.stderr
    (point,) = runs(tmp_path, experiment="captions")
    dense, before, after = (
        [point.data.metrics[f"test.{when}.{name}"] for name in ("bleu_1", "bleu_4", "perplexity")]
        for when in ("dense", "before", "after")
    )
    assert dense[1] > 40
    assert dense[2] < 3
    assert all(one > other + 5 for one, other in zip(after[:2], before[:2], strict=True))
    assert all(one > other - 5 for one, other in zip(after[:2], dense[:2], strict=True))
    assert after[2] < before[2]
