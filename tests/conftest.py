"""What every test starts from: one thread for each of the two workers, no screen, no telemetry, repeatable examples."""

from __future__ import annotations

import os

# Read once, when torch, matplotlib and mlflow are imported; processes that tests start inherit them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from hypothesis import settings

settings.register_profile("pruneexp", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("pruneexp")
