"""The folder of an export: refused where it holds something else, and never there by half."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pruneexp.errors import UserError
from pruneexp.experiment.start import ABOUT, PICKLED, WEIGHTS
from pruneexp.pruning.keeping import MASKS_FILE

GRAPH, PROGRAM, LOADER = "network.onnx", "network.pt2", "load.py"
#: Large networks have their weights beside their ONNX file.
BESIDE_GRAPH = f"{GRAPH}.data"
#: The weights with relative indices, as small as the record counts them.
RELATIVE = "relative_index.safetensors"
#: What is left of each dimension of a network without channels.
ARCHITECTURE = "architecture.json"
#: All files of an export; ``ABOUT`` says what was exported, and how well it does, and is written last.
OURS = (WEIGHTS, ARCHITECTURE, PICKLED, RELATIVE, MASKS_FILE, GRAPH, BESIDE_GRAPH, PROGRAM, LOADER, ABOUT)


def check_target(target: Path, point_key: str) -> None:
    """Refuse a place that is neither free nor an earlier export of the same point.

    Raises:
        UserError: says what lies there.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"--to {target}: there is a file of this name; name a folder that is new or empty")
    if not any(target.iterdir()):
        return
    try:
        held = str(json.loads((target / ABOUT).read_text(encoding="utf-8"))["point_key"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"--to {target}: the folder holds other files; name one that is new or empty") from None
    if held != point_key:
        raise UserError(
            f"--to {target}: the folder holds the export of another point ({held[:8]}, not {point_key[:8]}); name one "
            "that is new or empty"
        )


@contextmanager
def filled(target: Path, point_key: str) -> Iterator[Path]:
    """A draft beside ``target`` to write into, which takes its place at a normal end and is gone after any other.

    Of an earlier export of the same point the files are replaced one by one, and those removed that are not written
    again; other files stay.

    Raises:
        UserError: as ``check_target``.
        OSError: the disk refuses.
    """
    check_target(target, point_key)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".draft", dir=target.parent))
    try:
        yield draft
        _open_to_others(draft)
        if target.is_dir() and any(target.iterdir()):
            for name in OURS:
                if (draft / name).exists():
                    os.replace(draft / name, target / name)
                else:
                    (target / name).unlink(missing_ok=True)
        else:
            os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _open_to_others(folder: Path) -> None:
    """Give a folder and its files the rights of new ones: temporary folders and safetensors are their user's alone."""
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)
    for path in folder.iterdir():
        path.chmod(0o666 & ~mask)
