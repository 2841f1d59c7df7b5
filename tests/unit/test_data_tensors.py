"""Inputs and targets as they are: in the order asked for, and known by their content."""

from __future__ import annotations

import pytest
import torch

from pruneexp.data.dataset import Dataset
from pruneexp.data.tensors import TensorSource, tensor_dataset
from pruneexp.tasks.classification import CLASSIFICATION

CPU = torch.device("cpu")
ROWS, TARGETS = torch.arange(12.0).view(4, 3), torch.tensor([0, 1, 0, 1])


def some(rows: torch.Tensor = ROWS, targets: torch.Tensor = TARGETS, name: str = "rows", classes: int = 2) -> Dataset:
    return tensor_dataset(name, (rows, targets), (rows, targets), (rows, targets), classes)


def test_facts() -> None:
    data = some()
    assert (data.name, data.classes, data.shape, len(data.val)) == ("rows", 2, (3,), 4)
    CLASSIFICATION.check(data)


def test_batches_follow_the_order_and_belong_to_the_caller() -> None:
    source = TensorSource(ROWS.clone(), TARGETS.clone())
    batches = list(source.batches(2, CPU, order=torch.tensor([3, 0, 3])))
    assert [targets.tolist() for _, targets in batches] == [[1, 0], [1]]
    assert torch.equal(torch.cat([inputs for inputs, _ in batches]), ROWS[[3, 0, 3]])
    for inputs, targets in source.batches(4, CPU):
        inputs.zero_()
        targets.zero_()
    assert torch.equal(next(source.batches(4, CPU))[0], ROWS)
    assert list(source.batches(4, CPU, order=torch.empty(0, dtype=torch.int64))) == []


def test_content_is_identity() -> None:
    same, other = some(ROWS.clone()), [some(ROWS + 1), some(targets=1 - TARGETS), some(name="lines"), some(classes=3)]
    assert some().fingerprint == same.fingerprint
    assert len({some().fingerprint, *(each.fingerprint for each in other)}) == 5


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="4 inputs have 3 targets"):
        TensorSource(ROWS, TARGETS[:3])
    with pytest.raises(ValueError, match="allow 0 to 3"):
        TensorSource(ROWS, TARGETS).batches(2, CPU, order=torch.tensor([4]))
