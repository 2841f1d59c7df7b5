"""The load of the machine while a job runs, by MLflow's own monitor, on the run of its curve."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator
from typing import Any

from pruneexp.errors import UserError

#: Seconds between samples: a job of a minute still shows its course.
_INTERVAL = 2.0


@contextlib.contextmanager
def monitored(uri: str, run_id: str) -> Iterator[None]:
    """Sample every two seconds until the body ends; a body that is shorter is not sampled.

    Raises:
        UserError: psutil is missing, without which MLflow measures nothing.
    """
    if importlib.util.find_spec("psutil") is None:
        raise UserError("runtime.system_metrics=true needs psutil: pip install -e '.[monitor]'")
    # It says at every start and end that it started and ended.
    logging.getLogger("mlflow.system_metrics.system_metrics_monitor").setLevel(logging.WARNING)
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor: Any = SystemMetricsMonitor(  # type: ignore[no-untyped-call]
        run_id, sampling_interval=_INTERVAL, samples_before_logging=1, resume_logging=True, tracking_uri=uri
    )
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
