"""``python -m pruneexp.retraining``: the last training of recorded points, done once more and looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp.export.lookup import find_point
from pruneexp.retraining import __main__ as command
from pruneexp.retraining.line import PLACES
from pruneexp.schema import RETRAINING_FILE, Retraining, read_retraining
from tests.contracts.jobs import ran, runs

CHAIN = ("model=lenet_300_100", "retrain.epochs=2")  # which the stacked trainer trains
BATCHNORM = ("model=vgg_small", "model.widths=[[4],[4]]", "criterion.layers=[conv]", "retrain.epochs=2")
LSTM = ("data=text", "data.window=8", "model=lstm", "model.embedding=4", "model.hidden=8", "retrain.epochs=2")


def look(folder: Path, *words: str) -> int:
    return command.main([*words, "--tracking-uri", f"sqlite:///{folder}/mlflow.db", "--store", str(folder / "store")])


def found(folder: Path) -> tuple[dict[str, float], Retraining]:
    """The numbers of the only point, and what was found of it."""
    (run,) = runs(folder)
    tracker = find_point([run.info.run_id], f"sqlite:///{folder}/mlflow.db", []).tracker
    return run.data.metrics, read_retraining(tracker.text(run.info.run_id, RETRAINING_FILE))


@pytest.mark.parametrize("network", [CHAIN, BATCHNORM, LSTM])
def test_the_line_ends_in_the_recorded_losses_and_the_weights_in_the_recorded_network(
    network: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog\n" * 40)
    words = (*network, f"data.root={tmp_path}/text.txt") if network == LSTM else network
    ran(tmp_path, "curve.densities=[0.2]", *words)
    assert look(tmp_path, "mode=prune", "--epochs", "1") == 0
    assert "not to the bit" not in capsys.readouterr().err
    metrics, made = found(tmp_path)
    at = {place.t: place for place in made.line}
    assert tuple(at) == PLACES
    assert made.batchnorm == (network == BATCHNORM)
    if not made.batchnorm:  # with it, the statistics are other ones
        assert at[0.0].val == pytest.approx(metrics["val.before.loss"], rel=1e-6)
        assert at[1.0].val == pytest.approx(metrics["val.after.loss"], rel=1e-6)
    assert at[0.5].train != at[1.0].train
    for layer in made.layers:
        assert [of.epoch for of in layer.epochs] == [0, 1, 2]
        assert len({sum(of.counts) for of in layer.epochs}) == 1
        assert layer.epochs[0].inside == 0.0
    assert sum(sum(layer.epochs[-1].counts) for layer in made.layers) == metrics["weights_kept"]


def test_what_cannot_be_looked_at_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(tmp_path, "curve.densities=[0.2]", "retrain.epochs=0")
    for words, said in (
        (("mode=prune",), "it was not retrained (retrain.epochs=0)"),
        (("mode=prune", "--epochs", "1,x"), "--epochs 1,x: give whole numbers with commas between them"),
    ):
        assert look(tmp_path, *words) == 2
        assert said in capsys.readouterr().err
