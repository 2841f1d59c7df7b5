"""Points with what the run of their curve tells of how they were made: a row per point, and columns of text beside it.

Pure, as ``frames`` is. What a run does not tell is absent. Columns are those of the frame of points, and beside them

    made_by.code       the commit, with ``, changed`` where files differed from it
    made_by.packages   versions: ``python 3.11.7, torch 2.15.0, ...``
    made_by.machine    processor or accelerator, and threads
    made_by.criterion  the criterion's parts, as JSON
    made_by.retrain    the recipe of retraining, as JSON
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.names import counted
from analysis.records.parents import Origin

COLUMNS = ("made_by.code", "made_by.packages", "made_by.machine", "made_by.criterion", "made_by.retrain")


def frame(points: pd.DataFrame, origins: Mapping[tuple[str, str], Origin]) -> pd.DataFrame:
    """The points in their order; ``origins`` by experiment and key of the curve."""
    texts, nothing = {key: _texts(origin) for key, origin in origins.items()}, dict.fromkeys(COLUMNS)
    keys = zip(points["experiment"], points["curve_key"], strict=True)
    told = pd.DataFrame([texts.get(key, nothing) for key in keys], points.index, list(COLUMNS), dtype=object)
    return pd.concat([points, told], axis=1)


def _texts(origin: Origin) -> dict[str, str | None]:
    environment: Mapping[str, Any] = origin.environment
    git, machine = environment.get("git") or {}, environment.get("machine") or {}
    commit = git.get("commit", "unknown")
    versions = {"python": environment.get("python"), "pruneexp": environment.get("pruneexp")}
    versions |= environment.get("packages") or {}
    computed = [machine.get("accelerator") or machine.get("processor")]
    if not machine.get("accelerator") and (threads := machine.get("threads")):
        computed.append(counted(threads, "thread"))
    made = (
        None if commit == "unknown" else commit[:12] + ", changed" * bool(git.get("dirty")),
        ", ".join(f"{name} {version}" for name, version in versions.items() if version) or None,
        ", ".join(filter(None, computed)) or None,
        *(json.dumps(origin.config[part], sort_keys=True) if part in origin.config else None
          for part in ("criterion", "retrain")),
    )  # fmt: skip
    return dict(zip(COLUMNS, made, strict=True))
