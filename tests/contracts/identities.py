"""Identities of points without a network and without data: what is asked for decides them, but for a few stand-ins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from omegaconf import DictConfig

from pruneexp.config.groups import numbers
from pruneexp.data.dataset import Dataset
from pruneexp.data.synthetic import synthetic
from pruneexp.experiment.build import job_of, setting_of
from pruneexp.experiment.identity import identity
from pruneexp.experiment.instances import part
from pruneexp.experiment.learner import of_data
from pruneexp.experiment.spec import JobSpec, read
from pruneexp.schema import PointIdentity
from pruneexp.stages.setting import NetworkDropout


def points_of(config: DictConfig, choices: Mapping[str, str]) -> tuple[PointIdentity, ...]:
    """The identity of each point of a job, as if its network had one dropout and both kinds of layers.

    The fingerprint of the data is made of what decides their images: the numbers of their choice, and the file
    ``data.root``, where it is one.
    """
    spec = read(config, choices)
    learner = of_data(spec, _data(spec), torch.device("cpu"))
    dropout = NetworkDropout(part(spec, "dropout", spec.values["dropout"]), (), {"drop": 0.5})
    job = job_of(spec, setting_of(spec, learner, dropout, in_halves=True, stacks=True))
    return tuple(identity(job, *pair) for pair in zip(job.budgets, job.routes, strict=True))


def _data(spec: JobSpec) -> Dataset:
    root = Path(str(spec.values["data"].get("root", "")))
    content = root.read_bytes() if root.is_file() else b""
    decisive = json.dumps(numbers("data", spec.values["data"]), sort_keys=True).encode()
    return replace(_blobs(), fingerprint=hashlib.sha256(decisive + content).hexdigest())


@cache
def _blobs() -> Dataset:
    return synthetic(classes=4, samples=40, image_size=12, channels=1, seed=0)
