"""Guided designs from command to record: a pattern of recorded points, and networks that are made by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pruneexp.cache.store import Store
from pruneexp.errors import UserError
from pruneexp.pruning.masks import MaskSet
from tests.contracts.commands import called
from tests.contracts.composing import SMALL as SMALL_JOB
from tests.contracts.image_folders import two_classes
from tests.contracts.jobs import built, runs
from tests.contracts.records import fresh_store

SMALL = (
    *(word for word in SMALL_JOB if not word.startswith(("model=", "curve.", "train."))),
    *("model=vgg_small", "model.widths=[[8],[12],[16]]", "data.image_size=14", "data.samples=120", "train.epochs=1"),
)
DEEPER = (*SMALL, "model.widths=[[8,8],[10],[20,20]]")
DEEPER_STAGES = (0, 0, 1, 2, 2)
CHANNELS = ("criterion=slimming", "reg=slimming", "curve.units=[0.75,0.5]")
WEIGHTS = ("criterion=global_magnitude", "criterion.layers=[conv]", "curve.densities=[0.2]")
SIZES = (196, 49, 9)


def done(folder: Path, *words: str, program: str = "pruneexp") -> str:
    found = called(folder, *words, program=program)
    assert found.returncode == 0, found.stderr
    return found.stdout


def pattern(folder: Path, *words: str) -> dict[str, Any]:
    done(folder, *words, "--pattern", "p/found.json", program="pruneexp.export")
    found: dict[str, Any] = json.loads((folder / "p/found.json").read_text())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guided")
    fresh_store(folder)
    for words in (CHANNELS, WEIGHTS):
        done(folder, "-m", *SMALL, *words, "seed=0,1")
    for name, words in (("channels", CHANNELS), ("weights", WEIGHTS)):
        done(folder, words[0], "--pattern", f"{name}.json", program="pruneexp.export")
    return folder


def masks(folder: Path, **wanted: str) -> list[MaskSet]:
    """Those of the recorded points that meet these conditions."""
    store = Store(folder / ".pruneexp" / "store")
    found = [run.data.tags for run in runs(folder) if wanted.items() <= run.data.params.items()]
    artefacts = [store.load(tags["pruneexp.mask_key"]) for tags in found]
    return [MaskSet.from_tensors(each.tensors) for each in artefacts if each is not None]


def of_convolutions(every: list[MaskSet]) -> list[list[torch.Tensor]]:
    return [[mask for mask in one.values() if mask.ndim == 4] for one in every]


def keep_channels(found: list[torch.Tensor], folder: Path) -> list[int]:
    """Each layer of the deeper network keeps its stage's share of its own channels; how many."""
    stages = json.loads((folder / "channels.json").read_text())["budgets"]["units=0.5"]["stages"]
    shares = [stages[stage]["channels"] for stage in DEEPER_STAGES]
    kept = [int(mask.flatten(1).any(1).sum()) for mask in found]
    assert kept == [max(1, round(share * len(mask))) for share, mask in zip(shares, found, strict=True)]
    return kept


def test_a_pattern_is_the_mean_over_seeds_of_what_masks_keep(folder: Path) -> None:
    found = pattern(folder, "criterion=slimming")
    assert found["source"] == "vgg_small/synthetic"
    assert set(found["budgets"]) == {"units=0.75", "units=0.5"}
    for value in (0.75, 0.5):
        budget = found["budgets"][f"units={value}"]
        assert tuple(stage["pixels"] for stage in budget["stages"]) == SIZES
        every = of_convolutions(masks(folder, criterion="slimming", **{"budget.value": str(value)}))
        assert len(every) == len(budget["points"]) == 2
        kept = [[float(mask.flatten(1).any(1).float().mean()) for mask in one] for one in every]
        means = [(one + other) / 2 for one, other in zip(*kept, strict=True)]
        assert [stage["channels"] for stage in budget["stages"]] == pytest.approx(means, abs=1e-6)
    weights = pattern(folder, "criterion=global_magnitude")["budgets"]["density=0.2"]["stages"]
    every = of_convolutions(masks(folder, criterion="global_magnitude"))
    for place, stage in enumerate(weights):
        mean = torch.stack([one[place].float().mean((0, 1)) for one in every]).mean(0)
        assert stage["kernels"]["3x3"] == pytest.approx(mean.numpy(), abs=1e-6)


def test_a_deeper_network_is_made_by_it_and_what_the_file_holds_counts(folder: Path) -> None:
    words = (*DEEPER, "criterion=guided", "mode=scratch_e", "reg=weight_decay", "curve.units=[0.5]")
    done(folder, *words, "criterion.allocation.pattern=channels.json")
    (folder / "moved.json").write_text((folder / "channels.json").read_text())
    plan = done(folder, *words, "criterion.allocation.pattern=moved.json", "plan=true")
    assert "1 asked, 1 in the store" in plan
    [found] = of_convolutions(masks(folder, criterion="guided"))
    kept = keep_channels(found, folder)
    (folder / "moved.json").unlink()
    done(folder, "criterion=guided", "--to", "small", "--removed", program="pruneexp.export")
    sizes = json.loads((folder / "small" / "architecture.json").read_text())["kept"]
    assert len(sizes["conv1_2.weight"]["0"]) == kept[1]


def test_so_are_kernels(folder: Path) -> None:
    words = (*DEEPER, "criterion=guided_weights", "mode=scratch_e", "curve.densities=[0.2]")
    done(folder, *words, "criterion.allocation.pattern=weights.json")
    stages = json.loads((folder / "weights.json").read_text())["budgets"]["density=0.2"]["stages"]
    [found] = of_convolutions(masks(folder, criterion="guided_weights"))
    for mask, stage in zip(found, DEEPER_STAGES, strict=True):
        kernels = mask[:, :, 0, 0].numel()
        wanted = kernels * torch.tensor(stages[stage]["kernels"]["3x3"])
        assert (mask.sum((0, 1)) - wanted).abs().max() <= 0.5 + 1e-3


def test_a_network_of_another_data_set_is_made_by_it_stage_by_stage(folder: Path, tmp_path: Path) -> None:
    """Grey blobs of 14 px guide a network for pictures in colour of 20 px, whose maps are of other sizes."""
    fresh_store(tmp_path)
    two_classes(tmp_path / "pictures", side=20)
    pictures = ("data=image_folder", "data.root=pictures", "data.size=20", "data.workers=0", "mode=scratch_e")
    words = (*(word for word in DEEPER if not word.startswith("data")), *pictures, "reg=weight_decay")
    pattern = f"criterion.allocation.pattern='{folder}/channels.json'"
    done(tmp_path, *words, "criterion=guided", "curve.units=[0.5]", pattern)
    [found] = of_convolutions(masks(tmp_path, criterion="guided", data="image_folder"))
    assert found[0].shape[1] == 3
    keep_channels(found, folder)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "criterion.allocation.pattern is missing: name the file of a pattern"),
        (("criterion.allocation.pattern=none.json",), "criterion.allocation.pattern=none.json cannot be read: "),
        (("criterion.allocation.pattern=channels.json", "curve.units=[0.3]"), "the pattern has nothing for units=0.3"),
        (("criterion.allocation.pattern=channels.json", "curve.units=[0.5]", "model.widths=[[8],[8]]"),
         "stages of the pattern: 3; of the network: 2, whose convolutions give maps of 196, 49 px"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_training(folder: Path, words: tuple[str, ...], told: str) -> None:
    found = called(folder, *DEEPER, "criterion=guided", *words)
    assert (found.returncode, told in found.stderr) == (2, True), found.stderr
    assert found.stderr.count("\n") <= 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("model=vgg_small",), "--pattern is a mean over seeds, and these points differ in criterion (global_"),
        (("criterion=slimming", "--removed"), "--pattern writes no network: leave the options of --to out"),
        (("criterion=slimming", "--to", "folder"), "not allowed with argument"),
    ],
)  # fmt: skip
def test_what_is_no_mean_over_seeds_is_refused(folder: Path, words: tuple[str, ...], told: str) -> None:
    found = called(folder, *words, "--pattern", "x.json", program="pruneexp.export")
    assert (found.returncode, told in found.stderr) == (2, True), found.stderr
    assert not (folder / "x.json").exists()


def test_maps_are_those_of_the_activations() -> None:
    learner = built("model=resnet20", "data.image_size=14").setting.learner
    network, found = learner.network("fresh").eval(), dict[str, int]()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _, __, maps, name=name: found.update({name: maps[0, 0].numel()}))
    network(learner.example(2, "maps")[0])
    assert learner.costs.maps == found
    assert list(dict.fromkeys(found.values())) == [196, 49, 16]


def test_a_job_without_a_pattern_is_refused_in_python_too() -> None:
    with pytest.raises(UserError, match=r"^criterion.allocation.pattern is missing"):
        built("model=vgg_small", "criterion=guided", "curve.densities=null", "curve.units=[0.5]")
