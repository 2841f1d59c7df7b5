"""The guard of the unit tier: what makes tests slow is refused in one sentence."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from mlflow.tracking import MlflowClient

DEEDS: dict[str, Callable[[], object]] = {
    "a program": lambda: subprocess.run([sys.executable, "--version"], check=False),
    "a fork": lambda: os.fork(),  # noqa: PLW0108  looked up when it is called
    "a process": lambda: multiprocessing.Process(target=print).start(),
    "a spawned process": lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
    "a client": lambda: MlflowClient("sqlite://"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_is_slow_is_refused(deed: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"which a unit test does not: move it to tests/system$"):
        DEEDS[deed]()
