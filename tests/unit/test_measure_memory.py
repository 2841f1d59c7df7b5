"""Peaks of memory, of calls and of graphs whose needs are known; and 2:4 weights up to the device that takes them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pruneexp.measure.forms import NoSuchForm, compress_
from pruneexp.measure.memory import peak_of_call
from pruneexp.pruning.masks import MaskSet

CPU = torch.device("cpu")
FLOAT = 4


def test_the_peak_is_what_is_held_at_once() -> None:
    def both() -> None:
        first = torch.empty(1000)
        second = torch.empty(500)
        del first
        third = torch.empty(100)
        del second, third

    def in_turn() -> None:
        for _ in range(5):
            torch.empty(1000)

    assert peak_of_call(both, CPU) == FLOAT * 1500
    assert peak_of_call(in_turn, CPU) == FLOAT * 1000
    assert peak_of_call(lambda: None, CPU) == 0


def test_the_peak_of_a_chain_is_two_layers_and_the_same_each_time() -> None:
    network = nn.Sequential(nn.Linear(8, 300), nn.ReLU(), nn.Linear(300, 100))
    inputs = torch.zeros(64, 8)

    def call() -> None:
        with torch.inference_mode():
            network(inputs)

    peaks = {peak_of_call(call, CPU) for _ in range(3)}
    assert peaks == {FLOAT * 64 * (300 + 300)}  # the first layer and its ReLU


def layers() -> tuple[nn.Module, MaskSet]:
    network = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 4), nn.Conv2d(4, 4, 1), nn.Linear(6, 2))
    half = torch.tensor([True, True, False, False])
    masks = {"0": half.repeat(4, 2), "2": torch.ones(4, 4, dtype=torch.bool), "4": torch.zeros(2, 6, dtype=torch.bool)}
    return network, MaskSet(masks)


def test_only_weights_that_are_two_of_four_are_made_anew() -> None:
    network, masks = layers()
    seen: list[Tensor] = []

    def compress(weight: Tensor) -> Tensor:
        seen.append(weight.clone())
        return weight + 1.0

    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    compress_(network, masks, compress)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"0.weight"}  # 2 is dense, 3 no linear layer, of 4 the inputs are no multiple of four
    assert torch.equal(seen[0], before["0.weight"])


def test_sizes_that_no_kernel_takes_are_said() -> None:
    network, masks = layers()

    def refuse(weight: Tensor) -> Tensor:
        raise RuntimeError("must be a multiple of (32, 64)\nmore")

    with pytest.raises(NoSuchForm, match=r"^it takes linear layers, and must be a multiple of \(32, 64\)$"):
        compress_(network, masks, refuse)
    with pytest.raises(NoSuchForm, match="none is pruned 2:4"):
        compress_(network, masks.restrict(["2"]), refuse)


def test_torch_refuses_them_without_a_gpu() -> None:
    from torch.sparse import to_sparse_semi_structured

    network, masks = layers()
    with pytest.raises(NoSuchForm, match="Only CUDA tensors are currently supported"):
        compress_(network, masks, to_sparse_semi_structured)
