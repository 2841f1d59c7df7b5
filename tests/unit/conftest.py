"""What keeps a unit test fast: it starts no process and opens no MLflow client. Slow tests that lie here may."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

import pytest


@pytest.fixture(autouse=True)
def _alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a unit test fail where it does what belongs in tests/system."""
    if request.node.get_closest_marker("slow"):
        return
    for owner, name, deed in (
        (subprocess.Popen, "__init__", "starts a process"),
        (os, "fork", "forks"),
        (BaseProcess, "start", "starts a process"),
    ):
        monkeypatch.setattr(owner, name, _refusal(deed))
    client = sys.modules.get("mlflow.tracking.client")
    if client is not None:  # nothing has imported it elsewhere
        monkeypatch.setattr(client.MlflowClient, "__init__", _refusal("opens an MLflow client"))


def _refusal(deed: str) -> Any:
    def refuse(*arguments: object, **named: object) -> NoReturn:
        pytest.fail(f"this test {deed}, which a unit test does not: move it to tests/system")

    return refuse
