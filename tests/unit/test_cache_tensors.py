"""Tensors and records in the store: odd ones survive bit for bit, and what cannot is refused by name."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pruneexp.cache import tensors as tensor_files
from pruneexp.cache.bundle import TENSORS
from pruneexp.cache.files import Paths
from pruneexp.cache.identity import stage_key
from pruneexp.cache.store import Artefact, Store

KEY = stage_key("dense", 1, {"lr": 0.1}, [])
OTHER = stage_key("dense", 1, {"lr": 0.2}, [])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def oddities() -> dict[str, Tensor]:
    whole = torch.arange(12.0).reshape(3, 4)
    return {
        "zero-dimensional": torch.tensor(2.5),
        "a flag": torch.tensor(True),
        "empty": torch.empty(0, 4),
        "view": whole[1],
        "same view": whole[1],
        "transposed": whole.t(),
        "expanded": torch.ones(1, 2).expand(3, 2),
        "channels last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(torch.randn(2)),
        "generator": torch.Generator().manual_seed(1).get_state(),
        "step": torch.tensor(2**62, dtype=torch.int64),
        "not a number": torch.tensor([math.nan, -0.0, math.inf]),
        "": torch.ones(1),
    }


@pytest.mark.parametrize("name", list(oddities()))
def test_odd_tensors_survive(store: Store, name: str) -> None:
    tensor = oddities()[name]
    made, _ = store.produce(KEY, "dense", lambda _: Artefact({name: tensor, "twin": tensor}, {}))
    read = store.load(KEY)
    assert read is not None
    for found in (made.tensors[name], read.tensors[name], read.tensors["twin"]):
        assert (found.dtype, found.shape, found.device.type) == (tensor.dtype, tensor.shape, "cpu")
        assert found.is_contiguous()
        assert not found.requires_grad
        assert torch.equal(found.nan_to_num(7.0), tensor.nan_to_num(7.0))
        assert torch.equal(found.signbit(), tensor.signbit())


dtypes = st.sampled_from(sorted(tensor_files.STORABLE, key=str))
shapes = st.lists(st.integers(0, 3), max_size=4)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name != "__metadata__"), st.tuples(dtypes, shapes)))
def test_any_tensors_in_any_order_survive(
    tmp_path_factory: pytest.TempPathFactory, kinds: dict[str, tuple[torch.dtype, list[int]]]
) -> None:
    tensors = {name: torch.randint(0, 2, shape).to(dtype) for name, (dtype, shape) in kinds.items()}
    path = tmp_path_factory.mktemp("tensors") / TENSORS
    tensor_files.write(path, tensor_files.packed(tensors))
    found = tensor_files.read(path)
    assert list(found) == list(tensors)
    assert all(found[name].dtype == tensors[name].dtype and torch.equal(found[name], tensors[name]) for name in found)


def test_the_same_tensors_give_the_same_bytes(store: Store) -> None:
    for key in (KEY, OTHER):
        store.produce(key, "dense", lambda _: Artefact({"b": torch.ones(2), "a": torch.ones(1)}, {}))
    left, right = (Paths(store.root).artefact(key) / TENSORS for key in (KEY, OTHER))
    assert left.read_bytes() == right.read_bytes()


def test_what_is_returned_is_independent_of_what_was_made_and_of_the_store(store: Store) -> None:
    weight = torch.zeros(3)
    made, _ = store.produce(KEY, "dense", lambda _: Artefact({"w": weight}, {"sizes": (1, 2)}))
    weight.add_(1)
    made.tensors["w"].add_(2)
    first = store.load(KEY)
    assert first is not None
    first.tensors["w"].add_(3)
    second = store.load(KEY)
    assert second is not None
    assert torch.equal(second.tensors["w"], torch.zeros(3))
    assert made.record == second.record == {"sizes": [1, 2]}


@pytest.mark.parametrize(
    ("artefact", "words"),
    [
        (Artefact({"w": torch.ones(2).to_sparse()}, {}), "'w'.*sparse"),
        (Artefact({"w": torch.ones(2, device="meta")}, {}), "'w'.*meta"),
        (Artefact({"w": torch.ones(2, dtype=torch.complex64)}, {}), "'w'.*complex64.*float32"),
        (Artefact({"w": 3.0}, {}), "'w' is of type float"),  # type: ignore[dict-item]
        (Artefact({"__metadata__": torch.ones(1)}, {}), "__metadata__"),
        (Artefact({}, {"layers": [{"score": torch.ones(1)}]}), r"layers\[0\]\.score is of type Tensor"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name_and_leaves_nothing(
    store: Store, artefact: Artefact, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        store.produce(KEY, "dense", lambda _: artefact)
    assert not any(path.is_file() for path in store.root.rglob("*"))


@pytest.mark.parametrize("removed", [True, False])
def test_a_file_that_is_removed_while_it_is_opened_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    path = tmp_path / TENSORS
    tensor_files.write(path, {"w": torch.ones(2)})

    def opened(*_: object, **__: object) -> None:
        if removed:
            path.unlink()
        raise RuntimeError("unable to open file")

    monkeypatch.setattr("safetensors.safe_open", opened)
    with pytest.raises(FileNotFoundError if removed else RuntimeError, match="No such file" if removed else "unable"):
        tensor_files.read(path)
