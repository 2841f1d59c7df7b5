"""Bytes of dense and sparse tensors, fillers by hand and against a walk written out."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pruneexp.cost import storage
from pruneexp.cost.storage import beside_layers, dense_bytes, fillers, relative_index_bytes


def mask_of(size: int, kept: list[int]) -> Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[kept] = True
    return mask


def test_dense() -> None:
    assert dense_bytes(266_200) == 1_064_800


def test_figure_2_of_deep_compression() -> None:
    """Three bits, weights at 1, 4 and 15: the step of 11 needs one filler, at 12."""
    assert fillers(mask_of(16, [1, 4, 15]), 3) == 1


@pytest.mark.parametrize(
    ("skipped", "expected"), [(0, 0), (1, 0), (31, 0), (32, 1), (63, 1), (64, 2), (95, 2), (96, 3), (3200, 100)]
)
def test_fillers_of_one_gap(skipped: int, expected: int) -> None:
    assert fillers(mask_of(skipped + 1, [skipped]), 5) == expected  # before the first weight
    assert fillers(mask_of(skipped + 12, [9, skipped + 10]), 5) == expected  # between two


def test_what_follows_the_last_weight_is_free() -> None:
    assert fillers(mask_of(10_000, [0]), 5) == 0
    assert fillers(mask_of(10_000, []), 5) == 0


def test_bytes_by_hand() -> None:
    mask = mask_of(400, [0, 40, 399]).view(20, 20)  # gaps 0, 39 and 358
    assert relative_index_bytes(mask, "linear") == 70  # 3 + 1 + 11 entries of 37 bits: 69.4 bytes


def test_bytes_of_a_convolution_by_hand() -> None:
    mask = mask_of(400, [0, 40, 399]).view(4, 4, 5, 5)
    assert relative_index_bytes(mask, "conv") == 20  # 3 + 1 entries of 40 bits


def test_the_overhead_is_that_of_the_paper_where_gaps_fit() -> None:
    mask = torch.arange(320 * 100).remainder(32) == 31  # every gap is 31
    values = dense_bytes(int(mask.count_nonzero()))
    overhead = relative_index_bytes(mask.view(320, 100), "linear") / values - 1
    assert overhead == pytest.approx(0.156, abs=0.0005)


def test_a_tensor_that_lost_nothing_is_stored_dense() -> None:
    full = torch.ones(10, 16, dtype=torch.bool)
    assert relative_index_bytes(full, "linear") == relative_index_bytes(full, "conv") == dense_bytes(160) == 640
    full[9, 15] = False
    assert relative_index_bytes(full, "linear") == -(-159 * 37 // 8)


@settings(max_examples=100, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 70), max_size=12),
    tail=st.integers(0, 40),
    bits=st.integers(1, 5),
    chunk=st.integers(1, 50),
)
def test_equals_the_walk(gaps: list[int], tail: int, bits: int, chunk: int) -> None:
    flat = [position for gap in gaps for position in [False] * gap + [True]] + [False] * tail
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "_CHUNK", chunk)
        assert fillers(torch.tensor(flat, dtype=torch.bool), bits) == walk(flat, bits)


def walk(flat: list[bool], bits: int) -> int:
    """Store entry by entry, as a decoder would read it, and count the fillers that a kept weight follows."""
    count = pending = skipped = 0
    for kept in flat:
        if kept:
            count, pending, skipped = count + pending, 0, 0
        elif skipped == 2**bits - 1:
            pending, skipped = pending + 1, 0
        else:
            skipped += 1
    return count


def test_a_transposed_mask_is_walked_by_its_rows() -> None:
    mask = mask_of(64 * 64, [0, 64]).view(64, 64).t()  # kept in the first row, at 0 and 1
    assert fillers(mask, 5) == 0


def test_wrong_bits() -> None:
    with pytest.raises(ValueError, match="index_bits is 0, must be at least 1"):
        fillers(mask_of(3, [0]), 0)


def test_what_a_network_ships_beside_its_weights() -> None:
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.LSTM(4, 5), nn.Linear(5, 3, dtype=torch.float64))
    network.register_buffer("unsaved", torch.ones(7), persistent=False)
    network.append(nn.Linear(4, 20))
    network[4].weight, network[4].bias = network[2].weight_ih_l0, network[2].bias_ih_l0  # shared: counted once
    singles, doubles = 4 + 4 * 4 + 2 * 20, 3
    assert beside_layers(network) == (singles + 1 + doubles, 4 * singles + 8 + 8 * doubles)
