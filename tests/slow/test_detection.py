"""A detector is trained, pruned and recorded (Prune-D), or starts from a classifier that is pruned (Prune-C)."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from pruneexp.schema import PointIdentity, unflatten, with_hashes
from pruneexp.tasks.detection import MAP
from tests.contracts.commands import called
from tests.contracts.composing import composed
from tests.contracts.jobs import job_of, runs
from tests.contracts.records import fresh_store

QUIET = ("device=cpu", "runtime.progress=false", "runtime.dashboard=false")
DATA = ("data.train=8", "data.val=3", "data.test=3", "data.image_size=32")
SIZES = ("model.channels=4", "model.hidden=8", "model.samples=8", "model.proposals=8")
PRESET = "experiment=rethinking/detection/shapes"
CLASSIFIER = (
    "data=synthetic", "data.channels=3", "data.samples=40", "data.image_size=32", "model=torchvision",
    "model.name=resnet18", "model.image_size=32", "criterion.layers=[conv]", "reg=none", "train.epochs=1",
    "retrain.epochs=1", "curve.densities=[0.3]",
)  # fmt: skip


def run(folder: Path, *words: str, program: str = "pruneexp") -> None:
    done = called(folder, *words, program=program)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier, its export, a detector with it as a backbone, and a detector that is pruned itself."""
    folder = tmp_path_factory.mktemp("detection")
    fresh_store(folder)
    run(folder, *CLASSIFIER, *QUIET)
    run(folder, "model=resnet18", "--to", "classifier", program="pruneexp.export")
    weights = "train.start_from=classifier/weights.safetensors"
    run(folder, f"{PRESET}_transfer", weights, *DATA, *SIZES, *QUIET, "retrain.epochs=1")
    run(folder, PRESET, "curve.densities=[0.5]", *DATA, *SIZES, *QUIET, "train.epochs=1", "retrain.epochs=1")
    for mode, to in (("layer_std", "prune_c"), ("global_magnitude", "prune_d")):
        run(folder, "model=faster_rcnn_small", f"criterion={mode}", "--to", to, program="pruneexp.export")
    return folder


def masks(folder: Path) -> MaskSet:
    return MaskSet.from_tensors(load_file(folder / "masks.safetensors"))


def test_prune_c_cuts_and_keeps_what_is_zero_in_the_classifier(folder: Path) -> None:
    classifier, detector = masks(folder / "classifier"), masks(folder / "prune_c")
    assert detector.kept == classifier.kept == round(0.3 * classifier.total)
    weights = load_file(folder / "prune_c" / "weights.safetensors")
    for layer, mask in classifier.items():
        name = f"backbone.body.{layer}"
        assert (detector[name] == mask).all()
        assert not weights[f"{name}.weight"][~mask].any()


def test_prune_d_cuts_the_backbone_alone(folder: Path) -> None:
    detector = masks(folder / "prune_d")
    assert all(layer.startswith("backbone.body.") for layer in detector)
    assert detector.kept == round(0.5 * detector.total)
    assert set(detector) == set(masks(folder / "prune_c"))


def test_points_are_judged_by_mean_average_precision(folder: Path) -> None:
    found = runs(folder, experiment="detection")
    assert len(found) == 2
    for point in found:
        of = unflatten(PointIdentity, with_hashes(point.data.params, point.data.tags))
        assert (of.task, of.primary) == ("detection", MAP)
        for split in ("val", "test"):
            assert {f"{split}.after.mAP", f"{split}.after.mAP_area"} <= point.data.metrics.keys()


DETECTION = "+data.info.task={_target_: pruneexp.tasks.detection.Detection}"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ("model=lenet5", "data=shapes"),
            r"shape \(2, 3\) for 2 images, .* \(2, 20, 6\) is needed: for each detection",
        ),
        (("model=faster_rcnn_small", "data=synthetic", "data.channels=3"), r"\(2, 4\) is needed: one logit per class"),
        (
            ("model=faster_rcnn_small", "data=synthetic", DETECTION),
            "train split of data set 'synthetic' has no objects",
        ),
        (("model=faster_rcnn_small", "data=shapes", "model.detections=5"), r"\(2, 5, 6\) .* \(2, 20, 6\) is needed"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(overrides: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        job_of(*composed(*overrides, "device=cpu"))
    assert "\n" not in str(caught.value)
