"""What people bring, from the command: pictures, checkpoints, networks by name, and plans that check them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from pruneexp.__main__ import main
from pruneexp.data.dataset import Dataset
from pruneexp.data.synthetic import synthetic
from pruneexp.data.tensors import TensorSource
from pruneexp.errors import UserError
from pruneexp.experiment.build import recipes
from pruneexp.experiment.learner import of_data, tried
from pruneexp.experiment.spec import read
from tests.contracts.composing import composed
from tests.contracts.jobs import job_of, runs

QUICK = ("train.epochs=1", "retrain.epochs=1", "curve.densities=[0.5]", "device=cpu", "runtime.progress=false",
         "runtime.dashboard=false")  # fmt: skip
RESNET = ("data=image_folder", "data.root=pictures", "data.size=32", "model=torchvision", "model.image_size=32")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with pictures of three classes."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name in ("cat", "dog", "fox"):
        Path("pictures", name).mkdir(parents=True)
        for number in range(8):
            pixels = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(Path("pictures", name, f"{number}.jpg"))


def said(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = main([*words, *QUICK])
    captured = capfd.readouterr()
    return status, captured.out + captured.err


def test_a_network_by_name_learns_pictures_from_a_checkpoint_of_torchvisions_layout(
    capfd: pytest.CaptureFixture[str],
) -> None:
    state = torchvision.models.resnet18(num_classes=1000).state_dict()
    torch.save({"model": state, "epoch": 90}, "resnet18.pth")
    status, text = said(capfd, *RESNET, "train.start_from=resnet18.pth", "plan=true")
    assert status == 2
    assert "train.start_from_except=[fc] has that part start fresh" in text
    status, text = said(capfd, *RESNET, "train.start_from=resnet18.pth", "train.start_from_except=[fc]")
    assert status == 0, text
    assert text.startswith("resnet18 · image_folder")
    [point] = runs(Path.cwd())
    assert point.data.params["model"] == "resnet18"
    assert "layer4" in text or "d=0.5" in text


def test_the_checkpoint_and_what_it_leaves_fresh_are_the_dense_networks_identity() -> None:
    for name, factor in (("one", 1.0), ("other", 2.0)):
        state = torchvision.models.squeezenet1_1(num_classes=4).state_dict()
        torch.save({key: torch.full_like(tensor, factor) for key, tensor in state.items()}, f"{name}.pt")
    shutil.copy("one.pt", "same.pt")
    network = ("data=synthetic", "data.channels=3", "model=torchvision", "model.name=squeezenet1_1",
               "model.image_size=32", "device=cpu")  # fmt: skip

    def key(*words: str) -> str:
        return job_of(*composed(*network, *words)).routes[0].dense.key

    keys = [key(f"train.start_from={name}.pt") for name in ("one", "same", "other")]
    assert keys[0] == keys[1] != keys[2]
    excepted = key("train.start_from=one.pt", "train.start_from_except=[classifier]")
    assert len({*keys, key(), excepted}) == 4
    job = job_of(*composed(*network, "train.start_from=one.pt", "train.start_from_except=[classifier]"))
    weights = job.setting.learner.network("initial").state_dict()
    assert weights["features.0.weight"].unique().tolist() == [1.0]
    assert len(weights["classifier.1.weight"].unique()) > 100


def test_a_plan_says_which_budgets_no_mask_can_meet(capfd: pytest.CaptureFixture[str]) -> None:
    words = ("data=synthetic", "data.image_size=28", "model=lenet5", "criterion.layers=[conv]", "plan=true")
    status = main([*words, "curve.parameters=[0.99,0.01]", "device=cpu"])
    text = capfd.readouterr().out
    assert status == 0
    assert "p=0.01 will fail: parameters 0.01 cannot be reached: what is not pruned takes 0.9404" in text
    assert "p=0.99 will fail" not in text


def test_a_broken_picture_is_found_by_the_plan(capfd: pytest.CaptureFixture[str]) -> None:
    Path("pictures/cat/x.jpg").write_bytes(b"no picture")
    status, text = said(capfd, *RESNET, "plan=true", "data.memory_gib=0")
    assert status == 2
    assert "1 file cannot be read as a picture: pictures/cat/x.jpg" in text


def test_classes_are_counted_unless_they_are_said(capfd: pytest.CaptureFixture[str]) -> None:
    job = job_of(*composed(*RESNET, "device=cpu"))
    assert job.spec.values["data"]["info"]["classes"] == job.spec.values["model"]["num_classes"] == 3
    assert job.spec.seeded(1).values["model"]["num_classes"] == 3
    status, text = said(capfd, *RESNET, "data.info.classes=7", "plan=true")
    assert status == 2
    assert "data.info.classes=7, but image_folder has 3: set data.info.classes=3" in text


def test_what_stays_fresh_needs_a_file(capfd: pytest.CaptureFixture[str]) -> None:
    status, text = said(capfd, "data=synthetic", "train.start_from_except=[fc3]", "plan=true")
    assert status == 2
    assert "train.start_from_except names what a file leaves fresh" in text


def test_a_network_of_timm_is_planned(capfd: pytest.CaptureFixture[str]) -> None:
    words = ("data=synthetic", "model=timm", "model.name=test_resnet", "model.image_size=32")
    status, text = said(capfd, *words, "plan=true")
    assert status == 0, text
    assert text.startswith("test_resnet · synthetic")
    assert torch.get_num_threads() >= 1


def test_a_plan_refuses_images_of_more_colours_than_the_network_takes(capfd: pytest.CaptureFixture[str]) -> None:
    words = ("data=synthetic", "data.channels=3", "data.image_size=28", "model=lenet5", "model.channels=1")
    status, text = said(capfd, *words, "plan=true")
    assert status == 2
    assert "the images have 3 channels and the network takes 1" in text


def with_train(inputs: torch.Tensor, targets: torch.Tensor) -> Dataset:
    return replace(synthetic(image_size=12), train=TensorSource(inputs, targets))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (with_train(torch.zeros(9, 1, 12, 12).double(), torch.zeros(9).long()),
         r"gives inputs float64 of shape \(1, 12, 12\), where float32 of shape \(1, 12, 12\) are promised"),
        (with_train(torch.zeros(9, 3, 12, 12), torch.zeros(9).long()),
         r"gives inputs float32 of shape \(3, 12, 12\), where float32 of shape \(1, 12, 12\)"),
        (with_train(torch.zeros(9, 1, 12, 12), torch.zeros(9).int()),
         r"task 'classification' does not take the targets int32 of shape \(\) of data set 'synthetic'"),
    ],
    ids=["type", "shape", "targets"],
)  # fmt: skip
def test_data_that_are_not_what_they_say_are_refused_before_training(data: Dataset, sentence: str) -> None:
    spec = read(*composed("data=synthetic", "model=lenet_300_100", "device=cpu"))
    learner = of_data(spec, data, torch.device("cpu"))
    with pytest.raises(UserError, match=sentence):
        tried(learner, learner.network("fresh"), recipes(spec)[0].value)
