"""A pruned network as a file with relative indices (Han et al., "Deep Compression", 2016, Figure 2).

Of a layer that lost weights the file has two tensors: ``NAME.values``, its kept weights in row-major order, and
``NAME.gaps``, the number of pruned weights before each since the entry before it, in a few bits each, packed, the
highest first. A gap that is longer than these bits can say is bridged by fillers: entries of value zero that stand on
pruned weights. These are the bytes that ``cost.storage`` counts; the file is longer by the header of safetensors, which
has the shapes, and by nothing else. All other tensors are as they were.

Needs numpy alone, so that ``read`` can be copied to where nothing else is installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Types of numbers by their names in the file.
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
    "BOOL": "?",
}  # fmt: skip
_KEY = "relative_index"


def encode(weight: Array, mask: Array, bits: int) -> tuple[Array, Array]:
    """The entries of a layer: their values (n,), fillers included, and their gaps, packed: uint8 (ceil(n bits / 8),).

    ``mask`` is boolean in the shape of the weight, true where it is kept.
    """
    kept = np.flatnonzero(mask)
    gaps = np.diff(kept, prepend=-1) - 1
    fillers = gaps >> bits
    place = np.cumsum(fillers + 1) - 1
    count = int(place[-1]) + 1 if len(place) else 0
    values, codes = np.zeros(count, weight.dtype), np.full(count, (1 << bits) - 1)
    values[place], codes[place] = weight.reshape(-1)[kept], gaps & ((1 << bits) - 1)
    return values, np.packbits((codes[:, None] >> np.arange(bits)[::-1]) & 1)


def decode(values: Array, gaps: Array, bits: int, shape: tuple[int, ...]) -> Array:
    """The weight of ``encode``, zero where it was pruned."""
    digits = np.unpackbits(gaps, count=len(values) * bits).reshape(-1, bits)
    codes = digits @ (1 << np.arange(bits)[::-1])
    weight = np.zeros(int(np.prod(shape)), values.dtype)
    weight[np.cumsum(codes + 1) - 1] = values
    return weight.reshape(shape)


def write(
    path: Path, state: Mapping[str, Array], masks: Mapping[str, Array], bits: Mapping[str, int], same: Mapping[str, str]
) -> int:
    """Write a state dict, and return the bytes of its tensors there; those that ``masks`` names have ``bits`` per gap.

    ``same`` maps the name of a tensor that is another one to that other's name.
    """
    from safetensors.numpy import save_file

    tensors = {name: np.ascontiguousarray(one) for name, one in state.items() if name not in masks | same.keys()}
    layers = {}
    for name, mask in masks.items():
        tensors[f"{name}.values"], tensors[f"{name}.gaps"] = encode(state[name], mask, bits[name])
        layers[name] = {"bits": bits[name], "shape": list(mask.shape)}
    told = {"order": list(state), "layers": layers, "same": dict(same)}
    save_file(tensors, path, {_KEY: json.dumps(told)})
    return sum(one.nbytes for one in tensors.values())


def read(path: Path | str) -> dict[str, Array]:
    """The state dict of such a file, in its order."""
    content = Path(path).read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    told = json.loads(header.pop("__metadata__")[_KEY])
    found = {}
    for name, about in header.items():
        begin, end = about["data_offsets"]
        flat = np.frombuffer(content[start + begin : start + end], _TYPES[about["dtype"]])
        found[name] = flat.reshape(about["shape"])
    for name, layer in told["layers"].items():
        found[name] = decode(found[f"{name}.values"], found[f"{name}.gaps"], layer["bits"], tuple(layer["shape"]))
    return {name: found[told["same"].get(name, name)] for name in told["order"]}
