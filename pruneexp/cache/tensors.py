"""Tensors in a file, in their own order. The only module of this room that loads torch; knows no keys and no store."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

STORABLE = frozenset(
    {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
    | {torch.float16, torch.bfloat16, torch.float32, torch.float64}
)


def packed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that share no memory with anything, contiguous and on the CPU, in the same order.

    Raises:
        ValueError: a tensor of a layout, device or type that has no place in a file; names it.
    """
    for name, tensor in tensors.items():
        if name == "__metadata__":
            raise ValueError("no tensor can be stored under the name '__metadata__': the file format uses it itself")
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name!r} is of type {type(tensor).__name__}, but only tensors can be stored as tensors")
        if tensor.layout != torch.strided or tensor.is_meta or tensor.dtype not in STORABLE:
            allowed = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in STORABLE))
            raise ValueError(
                f"tensor {name!r} ({tensor.dtype}, {tensor.layout}, {tensor.device}) cannot be stored: it must be "
                f"dense, hold data, and be one of {allowed}"
            )
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }


def write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write ``packed`` tensors; the same tensors give the same bytes.

    Raises:
        OSError: the disk refuses.
    """
    # The format sorts tensors by type and name. Their own order is kept beside them: sums over a state dict must not
    # depend on whether it was read or computed. One metadata entry only, as the order of several is random.
    try:
        safetensors.torch.save_file(dict(tensors), path, {"order": json.dumps(list(tensors))})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def read(path: Path) -> dict[str, Tensor]:
    """Tensors on the CPU in the order they were written in, from a file whose checksum was compared.

    Raises:
        FileNotFoundError: another process has removed it since.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            order = json.loads(file.metadata()["order"])
            # Cloned out of the memory map: fresh, aligned memory, as after computing, and no tie to the file.
            return {name: file.get_tensor(name).clone() for name in order}
    except RuntimeError as error:  # torch, which opens it a second time, has no other for that
        if path.exists():
            raise
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
