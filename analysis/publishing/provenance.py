"""What a published file was made from: run ids, a digest of them, and a hash of the configurations behind them.

Holds nothing that changes between two makings from the same runs: no date, no path, no machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis.publishing import upkeep


class Provenance(NamedTuple):
    """``config_hash`` is the sha256 of the sorted keys, which hash each record's whole resolved configuration.

    ``inputs`` is the digest of everything it was made from (``analysis.publishing.upkeep``).
    """

    name: str
    options: Mapping[str, Any]
    runs: tuple[tuple[str, str, str], ...]  # (run id, experiment, key of the point or scan), sorted
    runs_digest: str
    config_hash: str
    inputs: str

    def lines(self) -> tuple[str, ...]:
        """For the comment of a text file."""
        shown = ", ".join(f"{key}={value}" for key, value in sorted(self.options.items())) or "defaults"
        return (
            f"made by `python -m analysis {self.name.split('-')[0]}` ({shown}) from {len(self.runs)} runs",
            f"run ids sha256 {self.runs_digest}",
            f"config hash {self.config_hash}",
            f"the run ids are listed in {self.name}.provenance.json",
        )

    def sidecar(self, files: Mapping[str, bytes], **beside: Any) -> bytes:
        """JSON with every run id and the sha256 of every file made with it, and what else is to be read from it."""
        record = {
            "name": self.name,
            "options": dict(sorted(self.options.items())),
            "config_hash": self.config_hash,
            "runs_digest": self.runs_digest,
            "inputs": self.inputs,
            "runs": [{"run_id": run, "experiment": where, "key": key} for run, where, key in self.runs],
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())},
            **beside,
        }
        return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def of(
    name: str, options: Mapping[str, Any], frame: pd.DataFrame, run_ids: Iterable[str], own_code: bytes = b""
) -> Provenance:
    """The provenance of what was made from these runs of the frame; ``own_code`` is as in ``upkeep.inputs``."""
    used = frame[frame["run_id"].isin(list(run_ids))]
    runs = tuple(sorted(set(zip(used["run_id"], used["experiment"], used["key"], strict=True))))
    runs_digest, config_hash = _sha256(run for run, _, _ in runs), _sha256(sorted({key for _, _, key in runs}))
    return Provenance(name, options, runs, runs_digest, config_hash, upkeep.inputs(name, options, frame, own_code))


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
