"""Weights with relative indices: what is written is what is read, to the bit, and has the bytes that are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pruneexp.cost.storage import relative_index_bytes
from pruneexp.errors import UserError
from pruneexp.export import relative_index
from pruneexp.export.relative_index import decode, encode, read
from pruneexp.export.writing import write_relative
from pruneexp.pruning.masks import MaskSet

SPECIAL = [0.0, -0.0, float("nan"), float("inf"), 1e-45, -3.5]


def weight_and_mask(kept: list[int], size: int, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros(size, bool)
    mask[kept] = True
    weight = np.resize(np.array(SPECIAL, dtype), size)
    weight[~mask] = 0.0
    return weight, mask


def test_figure_2_of_deep_compression() -> None:
    weight = np.zeros(16, np.float32)
    weight[[1, 4, 15]] = 3.4, 0.9, 1.7
    values, gaps = encode(weight, weight != 0.0, 3)
    assert values.tolist() == pytest.approx([3.4, 0.9, 0.0, 1.7])
    # 1 and 2 pruned weights before the first two; the filler stands after 7 more, and 2 are left.
    assert "".join(f"{byte:08b}" for byte in gaps) == "001" + "010" + "111" + "010" + "0000"


@given(
    st.integers(1, 900).flatmap(
        lambda size: st.tuples(st.just(size), st.lists(st.integers(0, size - 1), unique=True, max_size=40))
    ),
    st.integers(1, 9),
    st.sampled_from(["float32", "float16", "float64"]),
)
@settings(max_examples=200, deadline=None)
def test_every_weight_comes_back_to_the_bit(of: tuple[int, list[int]], bits: int, dtype: str) -> None:
    weight, mask = weight_and_mask(of[1], of[0], dtype)
    values, gaps = encode(weight, mask, bits)
    assert len(gaps) == -(-len(values) * bits // 8)
    assert decode(values, gaps, bits, weight.shape).tobytes() == weight.tobytes()


@pytest.mark.parametrize("gap", [0, 1, 30, 31, 32, 33, 63, 64, 255, 256, 257, 1024])
def test_gaps_around_the_largest_that_fits(gap: int) -> None:
    for kept in ([gap], [0, gap + 1], [gap, 2 * gap + 1]):
        weight, mask = weight_and_mask(kept, 2 * gap + 5)  # pruned weights follow the last one
        for kind, bits in (("conv", 8), ("linear", 5)):
            values, gaps = encode(weight, mask, bits)
            assert decode(values, gaps, bits, weight.shape).tobytes() == weight.tobytes()
            assert values.nbytes + gaps.nbytes == relative_index_bytes(torch.from_numpy(mask), kind)


@pytest.mark.parametrize("kept", [[], list(range(20))])
def test_none_and_all(kept: list[int]) -> None:
    weight, mask = weight_and_mask(kept, 20)
    values, gaps = encode(weight, mask, 5)
    assert len(values) == len(kept)
    assert decode(values, gaps, 5, (4, 5)).tobytes() == weight.tobytes()


def network() -> tuple[nn.Sequential, MaskSet]:
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 60), nn.Linear(60, 5))
    made.to(memory_format=torch.channels_last)
    draws = torch.Generator().manual_seed(0)
    shapes = {"0": (8, 3, 3, 3), "3": (60, 8), "4": (5, 60)}
    masks = {name: torch.rand(shape, generator=draws) < 0.05 for name, shape in shapes.items()}
    masks["4"][:] = True
    found = MaskSet(masks)
    found.apply_(made)
    return made, found


def test_a_whole_network(tmp_path: Path) -> None:
    made, masks = network()
    size = write_relative(tmp_path / "file", made, masks)
    found, state = read(tmp_path / "file"), made.state_dict()
    assert list(found) == list(state)
    assert all(found[name].tobytes() == tensor.contiguous().numpy().tobytes() for name, tensor in state.items())
    layers = relative_index_bytes(masks["0"], "conv") + relative_index_bytes(masks["3"], "linear") + 4 * 300
    beside = [tensor.nbytes for name, tensor in state.items() if name not in ("0.weight", "3.weight", "4.weight")]
    assert size == layers + sum(beside)


def test_shared_tensors_are_written_once(tmp_path: Path) -> None:
    first, second = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
    second.weight = first.weight
    made = nn.Sequential(first, second)
    masks = MaskSet({"0": torch.eye(6, dtype=torch.bool)})
    masks.apply_(made)
    assert write_relative(tmp_path / "file", made, masks) == relative_index_bytes(masks["0"], "linear")
    found = read(tmp_path / "file")
    assert found["0.weight"].tobytes() == found["1.weight"].tobytes() == first.weight.detach().numpy().tobytes()


def test_what_numpy_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--relative-index: weight is of bfloat16, which numpy lacks"):
        write_relative(tmp_path / "file", nn.Linear(2, 2).to(torch.bfloat16), MaskSet({}))


def test_the_reader_needs_numpy_alone() -> None:
    source = Path(str(relative_index.__file__)).read_text()
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported == {"__future__", "json", "collections", "pathlib", "typing", "numpy"}
