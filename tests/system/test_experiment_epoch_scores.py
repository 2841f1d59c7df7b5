"""A network is scored on val after each epoch for those who watch it; that changes nothing of what it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts import brought
from tests.contracts.jobs import numbers, ran, runs

WITHOUT = "runtime.epoch_scores=false"


def weights(folder: Path) -> dict[str, bytes]:
    """The tensors of every stage, as they are on disk."""
    store = folder / "store"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*.safetensors")}


def unwatched(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics without the scores of epochs."""
    kept = {name: value for name, value in metrics.items() if "/val." not in name}
    assert len(kept) < len(metrics)
    return kept


@pytest.mark.parametrize(
    "words",
    [
        ("train.trainer=single",),
        ("train.trainer=stacked", "retrain.epochs=2"),
        ("model=lenet5", "data.image_size=16", "retrain.scope=local", "train.augment=true"),
        ("data=text", "data.root=TEXT", "data.window=8", "model=transformer", "model.dropout=0.3"),
        tuple(brought.overrides(brought.Neck)),  # with batch normalisation
    ],
    ids=["single", "stacked", "local", "dropout", "batch normalisation"],
)
def test_with_and_without_scores_the_weights_are_the_same_bits(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abacabadabacaba " * 200)
    words = tuple(word.replace("TEXT", str(tmp_path / "text.txt")) for word in words)
    ran(tmp_path / "with", *words)
    ran(tmp_path / "without", *words, WITHOUT)
    assert len(weights(tmp_path / "with")) >= 3
    assert weights(tmp_path / "with") == weights(tmp_path / "without")
    assert {key: unwatched(of) for key, of in numbers(tmp_path / "with").items()} == numbers(tmp_path / "without")


def test_what_is_not_measured_is_not_recorded(tmp_path: Path) -> None:
    ran(tmp_path, WITHOUT)
    (curve,) = runs(tmp_path, "curve")
    courses = [name for run in (curve, *runs(tmp_path)) for name in run.data.metrics if "/" in name]
    assert {"dense/loss", "retrain/loss", "retrain/lr"} <= set(courses)
    assert not [name for name in courses if "val" in name]
