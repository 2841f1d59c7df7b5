"""Networks that describe images are trained, pruned and scored by BLEU; what does not fit is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from pruneexp.data.scenes import write_scenes
from pruneexp.errors import UserError
from pruneexp.schema import PointIdentity, unflatten, with_hashes
from pruneexp.tasks.captioning import BLEU, PERPLEXITY
from tests.contracts.commands import called
from tests.contracts.composing import composed
from tests.contracts.jobs import job_of, runs
from tests.contracts.records import fresh_store

SMALL = ("model.embedding=8", "model.hidden=8", "train.epochs=1", "retrain.epochs=1", "curve.densities=[0.5]")
QUIET = ("device=cpu", "runtime.progress=false", "runtime.dashboard=false", "runtime.experiment=captions")


def test_a_point_has_bleu_and_perplexity_before_and_after_retraining(tmp_path: Path) -> None:
    """From files in the published format, whose words are counted; dropout is scaled as the preset's sizes have it."""
    fresh_store(tmp_path)
    write_scenes(tmp_path, {"train": 20, "val": 5, "test": 5}, features=16, noise=0.3, seed=0)
    data = ("experiment=hanthesis/captions", f"data.root={tmp_path}", "data.features=16", "data.min_count=2")
    done = called(tmp_path, *data, *SMALL, *QUIET)
    assert done.returncode == 0, done.stderr
    (point,) = runs(tmp_path, experiment="captions")
    of = unflatten(PointIdentity, with_hashes(point.data.params, point.data.tags))
    assert (of.task, of.primary) == ("captioning", BLEU[3])
    for split in ("val", "test"):
        for when in ("dense", "before", "after"):
            assert {f"{split}.{when}.{each.name}" for each in (*BLEU, PERPLEXITY)} <= point.data.metrics.keys()
    assert point.data.metrics["val.dense.perplexity"] < 28  # what a network has that knows no word from another


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("model=lenet5", "data=caption_shapes"), r"the data have inputs of shape \(64,\)"),
        (("model=neuraltalk", "data=synthetic"), "NeuralTalk takes features of images"),
        (("model=neuraltalk", "data=caption_shapes", "model.words=5"), r"\(2, 2, 5\) .* \(2, 2, 20\) is needed"),
        (("model=neuraltalk", "data=caption_shapes", "model.features=9"), "does not take images of shape"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        job_of(*composed(*overrides, "device=cpu"))
    assert "\n" not in str(caught.value)
