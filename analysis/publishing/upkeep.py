"""Whether what was published before is what would be made now: then it is neither computed nor drawn again.

A sidecar says from what its files were made: the rows, the options, and the code with the packages that draw. Knows
no figure or table, and makes nothing.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from pruneexp import schema, summary

PACKAGES = ("matplotlib", "numpy", "pandas", "pillow")
SIDECAR = "{}.provenance.json"


def inputs(name: str, options: Mapping[str, Any], frame: pd.DataFrame, own_code: bytes = b"") -> str:
    """A digest of all that the files of this name are made from; ``own_code`` is that of a user's figure or table."""
    values = pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes()
    what = json.dumps([name, dict(options), list(frame.columns)], sort_keys=True, default=str)
    return hashlib.sha256(b"\0".join((_code(), what.encode(), values, own_code))).hexdigest()


def kept(folder: Path, name: str, made_from: str) -> list[Path]:
    """The files of this name in the folder where they were made from the same and are all as they were, else none."""
    sidecar = folder / SIDECAR.format(name)
    try:
        record = json.loads(sidecar.read_text(encoding="utf-8"))
        if record["inputs"] != made_from:
            return []
        paths = {folder / file: digest for file, digest in record["files"].items()}
        intact = all(hashlib.sha256(path.read_bytes()).hexdigest() == digest for path, digest in paths.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # never made, or the sidecar is no longer ours
    return [*paths, sidecar] if intact else []


@cache
def _code() -> bytes:
    """A digest of this package, of the rooms it imports, and of the versions of what computes and draws: 10 ms."""
    digest = hashlib.sha256()
    for root in (Path(__file__).parents[1], *(Path(str(room.__file__)).parent for room in (schema, summary))):
        for path in sorted(root.rglob("*")):
            if path.suffix in (".py", ".csv"):
                digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    for package in PACKAGES:
        digest.update(f"{package} {importlib.metadata.version(package)}".encode())
    return digest.digest()
