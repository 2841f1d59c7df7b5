"""Histograms of weights before pruning and after retraining, counted by hand."""

from __future__ import annotations

import torch
from torch import nn

from pruneexp.stability.distributions import distributions


def _network(first: list[list[float]]) -> nn.Sequential:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    network[0].weight.data = torch.tensor(first)
    network[1].weight.data = torch.tensor([[0.5, -1.0]])
    return network


def test_the_first_layer_by_hand() -> None:
    mask = torch.tensor([[True, False], [True, False]])
    dense, pruned = _network([[1.0, 0.01], [-1.0, 0.0]]), _network([[2.1, 0.0], [-1.0, 0.0]])
    first, second = distributions(dense, pruned, {"0": mask})
    assert (first.layer, first.units, first.inputs) == ("0", 2, (2, 0))
    assert first.limit == torch.tensor(2.1).item()
    assert (sum(first.dense), sum(first.cut), sum(first.after)) == (4, 2, 2)
    bins = len(first.dense)
    assert bins % 2 == 1
    assert first.dense[bins // 2] == 2  # 0.01 and 0.0 lie in the bin around zero
    assert (first.cut[bins // 2], first.after[-1]) == (0, 1)
    assert (second.inputs, second.limit, second.dense) == ((), 1.0, second.after)


def test_a_layer_of_zeros_has_a_histogram() -> None:
    network = _network([[0.0, 0.0], [0.0, 0.0]])
    first = distributions(network, network, {"0": torch.zeros(2, 2, dtype=torch.bool)})[0]
    assert (sum(first.dense), sum(first.after), first.limit) == (4, 0, 1.0)
