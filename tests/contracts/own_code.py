"""A folder of the user's own modules for tests, and the keys of what is computed with them."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from pruneexp.experiment.build import Job
from pruneexp.schema import Budget
from pruneexp.stages.scan import Grid, scan
from tests.contracts.composing import small
from tests.contracts.jobs import job_of

NETWORK = """
    from torch import nn
    {imports}
    class Net(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Flatten(), nn.Linear(144, 8), {used}, nn.Linear(8, 4))
"""


def searched_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where Python finds modules, as one that ``--config-dir`` names."""
    another_process(tmp_path.parent)  # the modules of earlier tests
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return folder


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def network(imports: str, used: str) -> str:
    return textwrap.dedent(NETWORK).format(imports=imports, used=used)


def another_process(folder: Path) -> None:
    """Forget the modules in ``folder``, as a new process has not loaded them."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if isinstance(spec, ModuleSpec) and str(folder) in f"{spec.origin} {spec.submodule_search_locations!r}":
            del sys.modules[name]
    importlib.invalidate_caches()


def built(folder: Path, changes: Mapping[str, Any], *overrides: str) -> tuple[DictConfig, Mapping[str, str], Job]:
    another_process(folder)
    config, choices = small(folder.parent, *overrides)
    for name, value in changes.items():
        group, _, part = name.partition(".")
        if part:
            config[group][part] = value
        else:
            config[group] = value
    own = [path.stem for path in folder.iterdir()]
    return config, choices, job_of(config, choices, own)


def keys(folder: Path, changes: Mapping[str, Any], *overrides: str) -> dict[str, str]:
    """The key of each kind of stage of the last point."""
    _, _, job = built(folder, changes, *overrides)
    scanned = scan(job.setting, job.routes[-1].dense, Grid((Budget("density", 0.5),)), memory=1)
    return {step.kind: step.key for step in (*job.routes[-1].steps, scanned)}


def edit(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n# edited\n")
