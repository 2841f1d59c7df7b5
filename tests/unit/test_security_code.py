"""Attacks by files: code that hides behind an allowed name, in weights, in data, or in our own modules."""

from __future__ import annotations

import ast
import os
import pickle
from pathlib import Path

import pytest
import torch
import torchvision

from pruneexp.config.checks import ALLOWED_TARGETS
from pruneexp.data.cifar import cifar10
from pruneexp.errors import UserError
from pruneexp.experiment.instances import check_homes
from pruneexp.models import torchvision_models
from tests.contracts.composing import small
from tests.contracts.jobs import job_of

ROOT = Path(__file__).parents[2]


class Evil:
    """Runs a command when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def unharmed() -> bool:
    return not Path("pwned").exists()


@pytest.mark.parametrize(
    "target",
    [
        "pruneexp.data.imagenet.os.system",
        "pruneexp.data.cifar.torchvision.datasets.CIFAR10",
        "pruneexp.models.vgg.nn.Module.load_state_dict",
        "pruneexp.models.torchvision_models.torch.hub.load",
        "pruneexp.models.torchvision_models.torch.load",
        "pruneexp.data.dataset.dataclass",
        "torch.nn.functional.linear",
        "torch.nn.Module.apply",
        "torch.nn.init.constant_",
        "torch.nn.modules.module.torch.load",
        "torchvision.models.get_weight",
        "torchvision.models.alexnet.__globals__",
        "torchvision.models.list_models",
        "torchvision.models.feature_extraction.create_feature_extractor",
    ],
)
def test_an_allowed_name_leads_to_a_part_of_an_experiment(target: str) -> None:
    with pytest.raises(UserError, match="is not allowed"):
        check_homes("model", {"_target_": target}, ALLOWED_TARGETS)


@pytest.mark.parametrize("target", ["torch.nn.Sequential", "torchvision.models.resnet18", "torchvision.models.VGG"])
def test_networks_and_layers_may_be_named(target: str) -> None:
    check_homes("model", {"_target_": target}, ALLOWED_TARGETS)


def test_start_weights_are_never_unpickled(tmp_path: Path) -> None:
    Path("evil.safetensors").write_bytes(pickle.dumps(Evil()))
    torch.save(Evil(), "evil.pt")
    torch.save({"state_dict": {"fc1.weight": torch.zeros(2)}, "callback": Evil()}, "beside.ckpt")
    told = "holds more than tensors .*: nothing of it was run"
    for name, sentence in (("evil.safetensors", "is not a readable"), ("evil.pt", told), ("beside.ckpt", told)):
        asked = small(tmp_path, f"train.start_from={name}")
        with pytest.raises(UserError, match=sentence):
            job_of(*asked)
    assert unharmed()


def test_torchvisions_weights_are_read_as_tensors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file planted in torch's folder of downloads is not checked against its hash again."""
    monkeypatch.setenv("TORCH_HOME", "planted")
    weights = torchvision.models.AlexNet_Weights.IMAGENET1K_V1
    Path("planted/hub/checkpoints").mkdir(parents=True)
    torch.save(Evil(), Path("planted/hub/checkpoints", Path(weights.url).name))
    with pytest.raises(UserError, match="is not the file of https://"):
        torchvision_models.alexnet(pretrained=True)
    config, choices = small(Path.cwd())
    config.model = {"_target_": "torchvision.models.alexnet", "weights": "DEFAULT"}  # past our own function
    with pytest.raises(UserError, match=r"[Ww]eights.only"):
        job_of(config, choices)
    assert unharmed()


def test_pickles_of_data_are_opened_only_with_the_right_checksum() -> None:
    folder = Path("data/cifar-10-batches-py")
    folder.mkdir(parents=True)
    for name, _ in (*torchvision.datasets.CIFAR10.train_list, *torchvision.datasets.CIFAR10.test_list):
        (folder / name).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="is damaged"):
        cifar10("data")
    assert unharmed()


#: What can run code that is in a file; numpy only where it is told to.
UNPICKLERS = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib.load", "jsonpickle"}
CALLS = {"torch.load", "joblib.load", "pandas.read_pickle", "pd.read_pickle", "yaml.load", "yaml.unsafe_load",
         "yaml.full_load", "eval", "exec", "os.system"}  # fmt: skip
#: The loaders of these calls are SafeLoaders: one that also refuses keys that stand twice, and libyaml's; torch.load is
#: told to read tensors and plain values alone.
REASONED = {
    ("pruneexp/experiment/start.py", "torch.load"),
    ("sweeps/files.py", "yaml.load"),
    ("analysis/records/parents.py", "yaml.load"),
}


def _names(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found |= {called} if called in CALLS else set()
            found |= {f"{word.arg}=True" for word in node.keywords
                      if word.arg in ("allow_pickle", "shell") and ast.unparse(word.value) != "False"}  # fmt: skip
    return found & {*UNPICKLERS, *CALLS, "allow_pickle=True", "shell=True"}


def test_no_module_of_ours_unpickles_or_evaluates() -> None:
    packages = ("pruneexp", "sweeps", "analysis", "hydra_plugins", "benchmarks")
    paths = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    found = {
        (path.relative_to(ROOT).as_posix(), name) for path in paths for name in _names(ast.parse(path.read_text()))
    }
    assert len(paths) > 100
    assert found - REASONED == set()


@pytest.mark.parametrize(
    "line",
    ["import pickle", "from torch import load", "x = torch.load(f)", "np.load(f, allow_pickle=True)",
     "import joblib.load", "yaml.load(f, Loader=yaml.Loader)", "run(c, shell=True)", "eval(x)"],
)  # fmt: skip
def test_the_search_finds(line: str) -> None:
    assert _names(ast.parse(line))
