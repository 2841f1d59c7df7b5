"""Stratified splits: a partition, in proportion, the same everywhere."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pruneexp.data.split import stratified_split


def test_known_split_stays_the_same() -> None:
    """Every stored result depends on the splits: this test fails if one changes."""
    stay, val, test = stratified_split(torch.arange(20) % 2, [4, 6], seed=7)
    assert stay.tolist() == [0, 1, 2, 5, 7, 8, 16, 17, 18, 19]
    assert val.tolist() == [3, 6, 11, 12]
    assert test.tolist() == [4, 9, 10, 13, 14, 15]


def test_shares_by_largest_remainder() -> None:
    # 3 of (6, 3, 1): exact shares 1.8, 0.9, 0.3 -> 1, 0, 0 and the two largest remainders, 0.9 and 0.8
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    _, held = stratified_split(labels, [3])
    assert torch.bincount(labels[held], minlength=3).tolist() == [2, 1, 0]


@given(
    labels=st.lists(st.integers(0, 5), min_size=3, max_size=200),
    shares=st.lists(st.floats(0.01, 0.45), min_size=1, max_size=2),
    seed=st.integers(0, 2**32),
)
def test_parts_partition_and_are_proportional(labels: list[int], shares: list[float], seed: int) -> None:
    classes = torch.tensor(labels)
    sizes = [max(1, int(share * len(labels))) for share in shares]
    stay, *held = stratified_split(classes, sizes, seed=seed)
    assert [len(part) for part in held] == sizes
    assert torch.equal(torch.cat([stay, *held]).sort().values, torch.arange(len(labels)))
    exact = torch.bincount(classes) * sizes[0] / len(labels)
    counts = torch.bincount(classes[held[0]], minlength=len(exact))
    assert float((counts - exact).abs().max()) < 1
    assert all(torch.equal(part, part.sort().values) for part in (stay, *held))


def test_seed_chooses_the_split() -> None:
    labels = torch.arange(100) % 10
    one, same, other = (stratified_split(labels, [20], seed=seed)[1] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("sizes", [[0], [10], [5, 5], [-1]])
def test_impossible_sizes_are_refused(sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot hold out"):
        stratified_split(torch.arange(10) % 2, sizes)
