"""How a graph is held against its network, and the lines that load a network, by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pruneexp.export.folder import check_target, filled
from pruneexp.export.formats import Agreement, FormatError, agreement, write_program
from pruneexp.export.loading import loading_lines

EXPECTED = torch.tensor([[1.0, 2.0, 0.0], [3.0, 3.00001, 0.0], [5.0, 1.0, 1.0], [torch.nan, 0.0, torch.inf]])


class Fixed(nn.Module):
    """Answers every batch with the same outputs."""

    def forward(self, inputs: Tensor) -> Tensor:
        return EXPECTED


def held(change: Callable[[Tensor], object], *, classes: bool = True) -> Agreement:
    outputs = EXPECTED.clone()
    change(outputs)
    return agreement(Fixed(), lambda _: outputs, iter([(torch.zeros(4, 1), torch.zeros(4))]), classes=classes)


def test_equal_outputs_agree_also_where_they_are_no_numbers() -> None:
    assert held(lambda outputs: None) == Agreement(4, 0.0, 5.0, 0, 0)
    assert held(lambda outputs: None, classes=False) == Agreement(4, 0.0, 5.0, 0, None)
    assert held(lambda outputs: None).mistake == ""


def test_another_class_of_a_tie_is_no_mistake_and_that_of_another_answer_is() -> None:
    tie = held(lambda outputs: outputs[1].copy_(torch.tensor([3.00001, 3.0, 0.0])))
    assert (tie.ties, tie.other_top1, tie.mistake) == (1, 0, "")
    assert tie.text == "same top-1 in 3 of 4 answers on val (1 are ties), largest difference of outputs 1e-05"
    other = held(lambda outputs: outputs[0].copy_(torch.tensor([2.0, 1.0, 0.0])))
    assert (other.ties, other.other_top1, other.largest_difference) == (0, 1, 1.0)
    assert other.mistake == "it chooses another class in 1 of 4 answers on val"


def test_outputs_that_are_far_or_no_numbers_are_a_mistake_whatever_the_class() -> None:
    def shifted(outputs: Tensor) -> None:
        outputs += 0.1

    def undefined(outputs: Tensor) -> None:
        outputs[2, 1] = torch.nan

    assert held(shifted, classes=False).mistake == "its outputs on val differ by 0.1, where the largest is 5"
    assert held(undefined, classes=False).largest_difference == torch.inf
    assert held(undefined, classes=False).mistake != ""


def test_a_network_for_one_size_of_batch_is_refused_in_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Pairs(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.view(2, 3).sum(1)

    with pytest.raises(FormatError, match=r"torch-export: .* its code fixes the number of inputs in a batch"):
        write_program(Pairs(), torch.ones(2, 3), tmp_path / "program.pt2")
    assert capfd.readouterr() == ("", "")


def test_the_lines_that_load_call_what_the_configuration_names() -> None:
    node = {
        "_target_": "torch.nn.Sequential",
        "_args_": [
            {"_target_": "torch.nn.Flatten"},
            {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 2, "bias": False},
        ],
    }
    lines = loading_lines(node, "'w.safetensors'")
    assert lines == [
        "import torch.nn",
        "from safetensors.torch import load_file",
        "network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(in_features=4, out_features=2, bias=False))",
        "network.load_state_dict(load_file('w.safetensors'))",
        "network.eval()",
    ]


def test_pretrained_weights_are_not_fetched_again_and_lazy_layers_take_their_sizes() -> None:
    node = {"_target_": "torchvision.models.resnet18", "pretrained": True, "sizes": [1, {"a": None}]}
    lines = loading_lines(node, "w", own=["torchvision"], lazy=(3, 8, 8))
    assert lines[0] == "import torchvision.models  # yours: its folder belongs on PYTHONPATH"
    assert lines[1] == "import torch"
    assert "network = torchvision.models.resnet18(pretrained=False, sizes=[1, {'a': None}])" in lines
    assert lines[4] == "network(torch.zeros(2, 3, 8, 8))"


def test_a_folder_takes_its_place_at_once(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder"
    with filled(target, "0" * 64) as draft:
        (draft / "export.json").write_text('{"point_key": "' + "0" * 64 + '"}')
        assert not target.exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["folder"]
    check_target(target, "0" * 64)
    with pytest.raises(ZeroDivisionError), filled(tmp_path / "other", "0" * 64):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
