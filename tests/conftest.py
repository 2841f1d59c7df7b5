"""What every test starts from: one thread for each of the two workers, no screen, no telemetry, repeatable examples."""

from __future__ import annotations

import gc
import os

# Read once, when torch, matplotlib and mlflow are imported; processes that tests start inherit them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("pruneexp", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("pruneexp")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by the folder that it lies in: unit, system or slow."""
    for item in items:
        tier = Path(item.path).parent.name
        if tier in ("unit", "system", "slow"):
            item.add_marker(tier)


def pytest_collection_finish() -> None:
    """Have the garbage collector leave alone what lives to the end: 600,000 objects of torch, MLflow and the tests.

    Each of its full passes looks at all of them otherwise, which takes a tenth of the time of the tests.
    """
    gc.freeze()
