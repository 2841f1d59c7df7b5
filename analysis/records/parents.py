"""The runs of curves and studies, which those of points are under, and what a run carries of how it was made.

Knows neither pandas nor what is published.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import yaml

from analysis.records.artefacts import THREADS
from analysis.records.runs import RawRun, TrackingStore
from analysis.records.stores import open_store
from pruneexp.schema import CONFIG_FILE, CURVE, CURVE_KEY, ENVIRONMENT_FILE

ParentKind = Literal["curve", "study"]


class LoggedParent(NamedTuple):
    """A curve or a study and its run.

    ``column`` is what its points have in their column ``curve_key`` or ``study``; ``sampler`` is that of a study.
    """

    run_id: str
    experiment: str
    kind: ParentKind
    column: str
    name: str
    sampler: str = ""


class Origin(NamedTuple):
    """What a run carries of how it was made: the resolved configuration, and code, packages and machine."""

    config: Mapping[str, Any]
    environment: Mapping[str, Any]


def parents(uri: str, experiments: Sequence[str]) -> tuple[LoggedParent, ...]:
    """Every curve and study of these experiments, in the order of their run ids.

    Raises:
        UserError: the store cannot be read.
    """
    store = open_store(uri)
    kinds: tuple[ParentKind, ...] = ("curve", "study")
    return tuple(sorted(_parent(run, kind) for kind in kinds for run in store.runs(kind, experiments)))


def origins(uri: str, run_ids: Iterable[str]) -> dict[str, Origin]:
    """What these runs carry of how they were made; a run whose files cannot be read is left out."""
    store, wanted = open_store(uri), list(run_ids)
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(lambda run_id: _origin(store, run_id), wanted))
    return {run_id: origin for run_id, origin in zip(wanted, found, strict=True) if origin is not None}


def _parent(run: RawRun, kind: ParentKind) -> LoggedParent:
    name = run.tags.get(CURVE, run.run_id)
    column = run.tags.get(CURVE_KEY, "") if kind == "curve" else name
    return LoggedParent(run.run_id, run.experiment, kind, column, name, run.params.get("sampler", ""))


def _origin(store: TrackingStore, run_id: str) -> Origin | None:
    try:
        config = yaml.load(store.artefact(run_id, CONFIG_FILE), yaml.CSafeLoader)  # ten times as quick as safe_load
        environment = json.loads(store.artefact(run_id, ENVIRONMENT_FILE))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    return Origin(config, environment) if isinstance(config, dict) and isinstance(environment, dict) else None
