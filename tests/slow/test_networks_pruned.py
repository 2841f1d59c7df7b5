"""Networks that papers prune to known sizes: the costs of those for ImageNet, and plans of all presets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import ROUND_DOWN, ROUND_HALF_UP
from pathlib import Path

import pytest
import torch
import torchvision
from omegaconf import ListConfig
from torch import nn

from pruneexp.config.skeleton import conf_folder
from tests.contracts.cifar_archives import publish
from tests.contracts.commands import called
from tests.contracts.composing import composed
from tests.contracts.image_folders import two_classes
from tests.contracts.jobs import runs
from tests.contracts.pruned_networks import TARGETS, THINET, counted, left_by_thinet, pruned_table, sizes
from tests.contracts.records import fresh_store
from tests.contracts.shipped_networks import cut, printed
from tests.contracts.voc_files import write

PRESETS = conf_folder() / "experiment/rethinking"
#: Those that run over ways to prune and to train by themselves, with the points of one seed.
SWEPT = {
    "figure3/channels": 12,
    "figure3/weights": 18,
    "figure5/channels": 12,
    "figure5/guided_channels": 12,
    "figure5/guided_weights": 16,
    "figure5/weights": 16,
    "lottery/l1_norm": 20,
    "lottery/weights": 20,
}
#: All others of a table of pruned classifiers at the paper's scale; detectors have a test of their own.
NAMES = sorted(
    {
        str(path.relative_to(PRESETS).with_suffix(""))
        for path in PRESETS.glob("*/*.yaml")
        if path.parent.name != "detection"
    }
    - SWEPT.keys()
)
PAGE = Path(__file__).parents[2] / "docs/networks.md"


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_left_has_the_costs_that_papers_print(name: str) -> None:
    """Some papers round, and others leave digits out."""
    cost, said = counted(name), printed("imagenet")
    for metric, own in (("parameters", cost.parameters_printed / 1e6), ("flops", cost.flop_printed / 1e9)):
        like = said[name, metric]
        assert like in {cut(own, like, rounding) for rounding in (ROUND_DOWN, ROUND_HALF_UP)}


@pytest.mark.parametrize("name", ["ResNet50-70%", "ResNet50-30%"])
def test_presets_of_thinet_that_round_to_the_nearest_filter_leave_one_more_at_most(name: str) -> None:
    """The paper rounds down: of 64 filters 30 % are 19 in both, of 256 they are 76 there and 77 here.

    Half of the filters is a whole number in each layer, so the two other targets are what their presets leave.
    """
    found, wanted = sizes(left_by_thinet(name)), sizes(TARGETS[name].network())
    assert found.keys() == wanted.keys()
    assert {own - said for each in found for own, said in zip(found[each], wanted[each], strict=True)} == {0, 1}
    parameters = sum(parameter.numel() for parameter in left_by_thinet(name).parameters())
    assert parameters == {"ResNet50-70%": 16_959_305, "ResNet50-30%": 8_704_945}[name]  # 16.94 and 8.66 M are printed
    assert parameters / 1e6 == pytest.approx(float(printed("imagenet")[name, "parameters"]), rel=0.006)


def test_every_preset_of_thinet_is_of_a_network_with_printed_costs() -> None:
    assert set(THINET.values()) == {path.stem for path in (PRESETS / "thinet").glob("*.yaml")}
    assert TARGETS.keys() > THINET.keys()


def test_the_page_has_the_table_of_these_networks() -> None:
    assert "\n".join(pruned_table()) in PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Generated pictures in the real layouts of the three data sets, below folders with their names."""
    root = tmp_path_factory.mktemp("files")
    two_classes(root / "imagenet")
    with pytest.MonkeyPatch.context() as patch:
        for name, origin in (("cifar10", torchvision.datasets.CIFAR10), ("cifar100", torchvision.datasets.CIFAR100)):
            (root / name).mkdir()
            publish(origin, root / name, patch)
        yield root


def _words(preset: str, files: Path) -> tuple[str, ...]:
    """The command line of a preset on generated files: with batches of one photograph, for there are six."""
    data = composed(f"experiment=rethinking/{preset}")[1]["data"]
    few = {
        "cifar10": ("data.download=true", "data.val_images=20"),
        "cifar100": ("data.download=true", "data.val_images=100"),
        "imagenet": ("data.val_images=2", "data.info.classes=2", "train.batch_size=1"),
    }
    here = ("device=cpu", "hydra/launcher=basic")  # this process alone knows the sums of the files
    return (f"experiment=rethinking/{preset}", f"data.root={files / data}", *few[data], *here, "seed=0")


def _patterns(folder: Path) -> None:
    """Patterns that leave of each stage what is asked for, or a hundredth more, by the names that presets give them."""
    for name, more in (("vgg19", 0.0), ("vgg16", 0.01)):
        shares = {tenth / 10: tenth / 10 + more for tenth in range(1, 10)}
        of = {share: [{"channels": kept, "kernels": {"3x3": [[kept] * 3] * 3}}] * 5 for share, kept in shares.items()}
        for kind, what in (("units", "channels"), ("density", "weights")):
            budgets = {f"{kind}={share:g}": {"stages": stages} for share, stages in of.items()}
            (folder / f"{name}_{what}.json").write_text(json.dumps({"source": name, "budgets": budgets}))


@pytest.mark.parametrize("preset", NAMES)
def test_a_preset_is_planned_with_data_in_their_real_layout(preset: str, files: Path, tmp_path: Path) -> None:
    config, _ = composed(f"experiment=rethinking/{preset}")
    budgets = sum(len(of) for of in config.curve.values() if isinstance(of, ListConfig))
    for modes, words in ((1, ()), (3, ("-m", "mode=prune,scratch_e,scratch_b"))):
        said = called(tmp_path, *words, *_words(preset, files), "plan=true")
        assert said.returncode == 0, said.stderr
        assert re.search(rf"points +{modes * budgets} asked", said.stdout)
        assert re.search(r"work +\S+ FLOP", said.stdout)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("preset", "words"),
    [
        *((preset, ()) for preset in SWEPT),
        ("lottery/weights", ("mode=scratch_e", "+mode.rewound_masks=true", "mode.scaled_init=true")),
    ],
)
def test_a_preset_that_sweeps_is_planned_whole(
    preset: str, words: tuple[str, ...], files: Path, tmp_path: Path
) -> None:
    _patterns(tmp_path)
    said = called(tmp_path, *_words(preset, files), *words, "plan=true")
    assert said.returncode == 0, said.stderr
    assert re.search(rf"points +{SWEPT[preset]} asked", said.stdout)


#: Of six photographs there are too few samples to choose among 2048 channels: LASSO would take half an hour.
NARROW = {"regression/resnet50_2x": ("criterion.exclude=[layer2.*,layer3.*,layer4.*]", "curve.flops=[0.9]")}


@pytest.mark.parametrize("preset", NAMES)
def test_a_preset_trains_and_cuts(preset: str, files: Path, tmp_path: Path) -> None:
    """One epoch, of six photographs brought to 64 px, or of a few batches of pictures of CIFAR's size."""
    small = ("model.image_size=64", "data.image_size=64", "data.resize=64", "data.workers=0")
    words: tuple[str, ...] = ("train.epochs=1", "retrain.epochs=0")
    words += small if f"data.root={files / 'imagenet'}" in _words(preset, files) else ("train.batch_size=32",)
    fresh_store(tmp_path)
    said = called(tmp_path, *_words(preset, files), *words, *NARROW.get(preset, ()))
    assert said.returncode == 0, said.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize("preset", SWEPT)
def test_a_preset_that_sweeps_trains_and_cuts(preset: str, files: Path, tmp_path: Path) -> None:
    """One budget or two, of one network at one rate."""
    few = {
        "lottery/l1_norm": ("experiment/rethinking/l1_norm=resnet56_a", "train.lr=0.01"),
        "lottery/weights": ("curve.densities=[0.5,0.25]", "train.lr=0.01"),
    }
    of = "curve.units=[0.5]" if preset.endswith("channels") else "curve.densities=[0.5]"
    _patterns(tmp_path)
    fresh_store(tmp_path)
    words = ("train.epochs=1", "train.batch_size=32", *few.get(preset, (of,)))
    said = called(tmp_path, *_words(preset, files), *words)
    assert said.returncode == 0, said.stderr
    assert len(runs(tmp_path)) == (4 if preset == "lottery/weights" else 2)


@pytest.mark.parametrize("preset", ["shapes", "voc2007"])
def test_a_detector_is_planned_with_data_in_their_real_layout(preset: str, tmp_path: Path) -> None:
    write(tmp_path / "voc", [[("dog", 1, 1, 40, 20, 0)]] * 6)
    of_voc = (f"data.root={tmp_path / 'voc'}", "data.val_images=2", "train.batch_size=1", "train.start_from_except=[]")
    files = of_voc if preset == "voc2007" else ()
    said = called(tmp_path, f"experiment=rethinking/detection/{preset}", *files, "device=cpu", "plan=true")
    assert said.returncode == 0, said.stderr
    assert re.search(r"work +\S+ FLOP", said.stdout)


@pytest.mark.parametrize("preset", ["voc2007", "voc2007_transfer"])
def test_a_detector_trains_and_cuts_from_a_file_of_a_classifier(preset: str, tmp_path: Path) -> None:
    """One epoch of three pictures. Prune-D leaves 70 % of filters, Prune-C what is not zero in the classifier."""
    classifier = torchvision.models.resnet34(num_classes=3)
    convolutions = [each.weight.data for each in classifier.modules() if isinstance(each, nn.Conv2d)]
    for weight in convolutions[1:]:
        weight[: len(weight) // 2] = 0.0
    left = sum(int(weight.count_nonzero()) for weight in convolutions) / sum(map(torch.numel, convolutions))
    torch.save(classifier.state_dict(), tmp_path / "classifier.pth")
    root = write(tmp_path / "voc", [[("dog", 1, 1, 40, 20, 0)]] * 6)
    small = ("data.size=64", "model.channels=8", "model.hidden=16", "model.samples=8", "model.proposals=8")
    words = (f"data.root={root}", "data.val_images=2", "train.batch_size=1", "train.start_from=classifier.pth")
    epochs = ("retrain.epochs=1",) if preset == "voc2007_transfer" else ("train.epochs=1", "retrain.epochs=0")
    fresh_store(tmp_path)
    said = called(
        tmp_path, f"experiment=rethinking/detection/{preset}", *small, *words, *epochs, "seed=0", "device=cpu"
    )
    assert said.returncode == 0, said.stderr
    (run,) = runs(tmp_path)
    assert run.data.metrics["density_scope"] == pytest.approx(0.7 if preset == "voc2007" else left, abs=0.01)
