"""Samples of what layers are given: rows that meet weights, against the outputs of the layers themselves."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pruneexp.pruning.layers import prunable
from pruneexp.training.sampling import Samples, sampled


def taken(network: nn.Module, inputs: Tensor, positions: int = 10**6, seed: int = 0) -> dict[str, Samples]:
    columns = {n: torch.ones(each.weight[0].numel(), dtype=torch.bool) for n, each in prunable(network).items()}
    batches = [(part, torch.zeros(len(part))) for part in inputs.split(2)]
    return sampled(network, batches, columns, positions, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(3, 4, 3, padding=1, bias=False), (3, 5, 6)),
        (nn.Conv2d(3, 4, (3, 2), stride=(2, 1), dilation=(1, 2), padding=(2, 1), bias=False), (3, 7, 6)),
        (nn.Conv2d(3, 4, 4, padding="same", bias=False), (3, 5, 5)),
        (nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect", bias=False), (3, 5, 5)),
        (nn.Conv1d(3, 4, 3, stride=2, bias=False), (3, 9)),
        (nn.Linear(3, 4, bias=False), (3,)),
        (nn.Linear(3, 4, bias=False), (5, 3)),
    ],
)
def test_all_positions_give_what_the_layer_computes(layer: nn.Module, shape: tuple[int, ...]) -> None:
    network = nn.Sequential(layer).double()
    inputs = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = taken(network, inputs)["0"]
    made = network(inputs).detach()
    wanted = made if isinstance(layer, nn.Linear) else made.movedim(1, -1)
    torch.testing.assert_close(found.outputs, wanted.reshape(-1, 4))
    torch.testing.assert_close(found.inputs @ layer.get_parameter("weight").detach().flatten(1).T, found.outputs)


def test_positions_are_drawn_and_the_same_for_networks_of_the_same_layers() -> None:
    one, other = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 3, 3)) for _ in range(2))
    images = torch.randn(4, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    first, second = taken(one, images, 5), taken(other, images, 5)
    assert list(first) == ["0", "2"]
    assert first["0"].inputs.shape == (20, 9)
    assert torch.equal(first["0"].inputs, second["0"].inputs)
    assert not torch.equal(first["0"].inputs, taken(one, images, 5, seed=1)["0"].inputs)


def test_columns_are_kept_where_they_are_asked_for_and_groups_are_not_seen() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1, groups=2), nn.Flatten(), nn.Linear(36, 2)).train()
    images = torch.randn(2, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    columns = {"0": torch.arange(18) % 2 == 0, "1": torch.ones(2, dtype=torch.bool), "3": torch.zeros(36).bool()}
    found = sampled(network, [(images, torch.zeros(2))], columns, 3, torch.Generator())
    assert {name: tuple(each.inputs.shape) for name, each in found.items()} == {"0": (6, 9), "3": (2, 0)}
    assert network.training
    assert not any(module._forward_pre_hooks for module in network.modules())
