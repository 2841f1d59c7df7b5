"""Files of weights as people write them: every wrapping and prefix is found, and what does not fit is named."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from pruneexp.errors import UserError
from pruneexp.experiment.start import WRAPPINGS, fitted, name_of, read_weights
from pruneexp.schema import flatten
from tests.contracts.points import point


def network(classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, classes))


def read(path: Path, content: Any, fresh: tuple[str, ...] = (), classes: int = 3) -> dict[str, Tensor]:
    torch.save(content, path)
    return fitted(network(classes).state_dict(), read_weights(str(path)), str(path), fresh)


def trained() -> dict[str, Tensor]:
    """A state that no fresh network has."""
    return {name: tensor + 1 for name, tensor in network().state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("key", WRAPPINGS)
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin"])
def test_every_wrapping_is_found(key: str, suffix: str, tmp_path: Path) -> None:
    beside = {"epoch": 3, "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}}, "step": torch.tensor(7)}
    assert same(read(tmp_path / f"w{suffix}", {**beside, key: trained()}), trained())


def parallel(whole: nn.Module) -> nn.Module:
    return nn.DataParallel(whole)


def lightning(whole: nn.Module) -> nn.Module:
    return nn.ModuleDict({"model": whole, "loss": nn.Linear(2, 2)})


def compiled(whole: nn.Module) -> nn.Module:
    return nn.ModuleDict({"_orig_mod": whole})


@pytest.mark.parametrize(
    "wrap",
    [parallel, lightning, compiled, AveragedModel, lambda whole: parallel(compiled(whole)),
     lambda whole: lightning(compiled(whole))],
)  # fmt: skip
def test_every_wrapper_of_networks_is_seen_through(wrap: Callable[[nn.Module], nn.Module], tmp_path: Path) -> None:
    whole = network()
    whole.load_state_dict(trained())
    assert same(read(tmp_path / "w.pt", {"state_dict": wrap(whole).state_dict()}), trained())


def test_options_and_scores_beside_the_weights_do_no_harm(tmp_path: Path) -> None:
    beside = {"args": argparse.Namespace(lr=0.1), "best": np.float64(93.5), "epoch": np.int64(3)}
    assert same(read(tmp_path / "w.pth", {"model": trained(), **beside}), trained())


def test_safetensors_are_read_alike(tmp_path: Path) -> None:
    save_file({f"module.{name}": tensor for name, tensor in trained().items()}, tmp_path / "w.safetensors")
    path = str(tmp_path / "w.safetensors")
    assert same(fitted(network().state_dict(), read_weights(path), path, ()), trained())


def test_counts_that_old_files_lack_stay(tmp_path: Path) -> None:
    old = {name: tensor for name, tensor in trained().items() if not name.endswith("num_batches_tracked")}
    assert int(read(tmp_path / "w.pt", old)["1.num_batches_tracked"]) == 0


def test_a_part_stays_fresh_where_it_is_excepted(tmp_path: Path) -> None:
    found, own = read(tmp_path / "w.pt", trained(), ("3",), classes=7), network(7).state_dict()
    assert torch.equal(found["3.weight"], own["3.weight"])
    assert torch.equal(found["0.weight"], trained()["0.weight"])
    bias = read(tmp_path / "w.pt", trained(), ("3.bias",))
    assert torch.equal(bias["3.bias"], network().state_dict()["3.bias"])
    assert torch.equal(bias["3.weight"], trained()["3.weight"])


def test_a_head_of_another_name_can_be_excepted_too(tmp_path: Path) -> None:
    renamed = {name.replace("3.", "head."): tensor for name, tensor in trained().items()}
    with pytest.raises(UserError, match=r"but for its head: it has no 3.weight; .*except=\[3,head\] has that part"):
        read(tmp_path / "w.pt", renamed)
    found = read(tmp_path / "w.pt", renamed, ("3", "head"))
    assert torch.equal(found["3.bias"], network().state_dict()["3.bias"])


MISFITS: list[tuple[Callable[[], Any], tuple[str, ...], str]] = [
    (lambda: network(7).state_dict(), (),
     r"but for its head: 3.weight has shape \(7, 5\) there and \(3, 5\) in this .*except=\[3\] has that part"),
    (lambda: {**trained(), "0.weight": torch.zeros(2, 2)}, (), r"belongs to another architecture: 0.weight has shape"),
    (lambda: {"conv.weight": torch.zeros(2)}, (), "belongs to another architecture: it has no 0.weight; .* and 4 more"),
    (lambda: {**trained(), "1.extra": torch.zeros(2)}, (), "another architecture: this network has no 1.extra"),
    (trained, ("fc",), "train.start_from_except: fc names no parameter of the model; its last layer is 3"),
    (trained, ("3.wieght",), "train.start_from_except: 3.wieght names no parameter"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "fresh", "sentence"), MISFITS)
def test_what_does_not_fit_is_named(
    content: Callable[[], Any], fresh: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        read(tmp_path / "w.pt", content(), fresh)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([1, 2], "holds no weights by name, but a list: allowed is a state_dict, or one under a key such as"),
        ({"a": 1, "b": "x"}, "holds no weights by name, but a dict under a, b"),
        (network(), r"holds more than tensors \(torch.nn.modules.container.Sequential\), .*: nothing of it was run"),
    ],
)
def test_what_is_no_state_dict_is_named(content: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        read(tmp_path / "w.pt", content)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_files_that_torch_save_did_not_write_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    torch.save(trained(), tmp_path / "whole.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:900])
    for name, why in (("text.pt", "damaged, or not written by"), ("half.pt", "damaged"), ("none.pt", "No such file")):
        with pytest.raises(UserError, match=f"{name} is not a readable file of weights: .*{why}"):
            read_weights(str(tmp_path / name))
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), str(tmp_path / "script.pt"))
    with pytest.raises(UserError, match=r"holds more than tensors \(TorchScript\)"):
        read_weights(str(tmp_path / "script.pt"))


class Detector(nn.Module):
    """A network whose backbone is another."""

    def __init__(self) -> None:
        super().__init__()
        self.back = nn.ModuleDict({"body": network()[:2], "neck": nn.Linear(5, 2)})
        self.head = nn.Linear(2, 2)


def test_a_file_may_hold_a_part_of_the_network() -> None:
    own = Detector().state_dict()
    found = fitted(own, trained(), "w.pt", ("back.neck", "head", "3"))
    for name, tensor in found.items():
        part = name.removeprefix("back.body.")
        assert torch.equal(tensor, trained()[part] if part != name else own[name])


def test_a_part_says_what_to_leave_out() -> None:
    with pytest.raises(
        UserError, match=r"weights of back\.body alone; train\.start_from_except=\[head,back\.neck,3\] has"
    ):
        fitted(Detector().state_dict(), trained(), "w.pt", ("head",))


def test_a_part_of_other_shapes_is_another_architecture() -> None:
    given = {**trained(), "0.weight": torch.zeros(6, 4)}
    with pytest.raises(UserError, match=r"another architecture: back\.body\.0\.weight has shape \(6, 4\)"):
        fitted(Detector().state_dict(), given, "w.pt", ("back.neck", "head", "3"))


@pytest.mark.parametrize(
    ("mode", "density", "said"),
    [
        ("prune", 0.5, "lenet5 prune d=0.5"),
        ("scratch_e", 0.05, "lenet5 scratch_e d=0.05"),
        ("prune", 1.0, "lenet5 unpruned"),
    ],
)
def test_an_export_is_named_by_its_point(mode: str, density: float, said: str, tmp_path: Path) -> None:
    about = {"identity": flatten(point(mode=mode, density=density).identity)}
    (tmp_path / "export.json").write_text(json.dumps(about))
    assert {name_of(f"{tmp_path}/weights.{ending}") for ending in ("safetensors", "pt")} == {said}
    assert name_of(f"{tmp_path}/resnet34-b627a593.pth") == "resnet34-b627a593.pth"


@pytest.mark.parametrize("about", [None, "", "[]", "{}", '{"identity": null}', '{"identity": {"model": "lenet5"}}'])
def test_a_file_of_no_export_of_ours_is_named_by_its_name(about: str | None, tmp_path: Path) -> None:
    if about is not None:
        (tmp_path / "export.json").write_text(about)
    assert name_of(f"{tmp_path}/weights.pt") == "weights.pt"
