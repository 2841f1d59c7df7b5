"""Writing and reading single files so that a crash leaves no half of one unnoticed. Knows no keys and no store."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from pruneexp.errors import UserError

STORABLE = frozenset(
    {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}
    | {torch.float16, torch.bfloat16, torch.float32, torch.float64}
)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def explained(root: Path) -> Iterator[None]:
    """Turn what the disk refuses within the block into one sentence.

    Raises:
        UserError: in place of any ``OSError``; names the folder, the reason and what to do.
    """
    try:
        yield
    except OSError as error:
        cure = "free some space there" if error.errno in _FULL else "mend the folder"
        raise UserError(
            f"The result store {root} cannot be used: {error.strerror or error}; {cure} or choose another one with "
            f"runtime.store=FOLDER, and start again: finished results and checkpoints are kept."
        ) from error


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """An empty folder to write into and to ``publish``; what is not published is removed, whatever happens."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(draft: Path, final: Path) -> None:
    """Rename a complete draft to its final name, durably; ``final`` must not exist."""
    sync(draft)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.rename(draft, final)
    sync(final.parent)


def sync(path: Path) -> None:
    """Return only when the file's content, or the folder's list of names, has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a new file durably."""
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


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


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write ``packed`` tensors durably; the same tensors give the same bytes."""
    # The format sorts tensors by type and name. Their own order is kept beside them: sums over a state dict must not
    # depend on whether it was read or computed. One metadata entry only, as the order of several is random.
    try:
        safetensors.torch.save_file(dict(tensors), path, {"order": json.dumps(list(tensors))})
    except SafetensorError as error:
        raise _as_os_error(error) from error
    sync(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors on the CPU in the order they were written in.

    Raises:
        ValueError: the file is not one that ``write_tensors`` wrote.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            order = json.loads((file.metadata() or {})["order"])
            # Cloned out of the memory map: fresh, aligned memory, as after computing, and no tie to the file.
            return {name: file.get_tensor(name).clone() for name in order}
    except (SafetensorError, KeyError) as error:
        raise ValueError(str(error)) from error


def _as_os_error(error: SafetensorError) -> OSError:
    number = re.search(r"os error (\d+)", str(error))
    code = int(number[1]) if number else errno.EIO
    return OSError(code, os.strerror(code) if number else str(error))
