"""Servers that are started here answer this machine alone: asked of the kernel, not of the servers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest

from hydra_plugins.pruneexp_launchers import ray_launcher
from tests.contracts.commands import PATIENCE
from tests.contracts.listening import is_loopback, listening
from tests.contracts.tracking_server import tracking_server

LISTENS = """
import socket, sys
server = socket.create_server(("{host}", 0), family={family})
print(flush=True)
sys.stdin.read()
"""

#: Makes a Ray of this machine alone, as the launcher does, and keeps it until it is told to end.
LOCAL_RAY = """
import sys
from hydra_plugins.pruneexp_launchers.ray_launcher import _connected
ray = _connected(None)
print(ray.get(ray.remote(lambda: "up").remote()), flush=True)
sys.stdin.read()
ray.shutdown()
"""


@pytest.mark.parametrize(
    ("family", "host", "alone"),
    [
        (socket.AF_INET, "127.0.0.1", True),
        (socket.AF_INET, "0.0.0.0", False),
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "::", False),
    ],
)
def test_the_kernel_tells_who_is_let_in(family: int, host: str, alone: bool) -> None:
    command = [sys.executable, "-c", LISTENS.format(host=host, family=int(family))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        found = listening(process.pid)
        process.communicate()
    assert found == {host}
    assert is_loopback(host) is alone


def test_a_ray_of_this_machine_alone_is_asked_to_listen_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself need not be installed."""
    asked: dict[str, object] = {}
    ray = types.SimpleNamespace(init=lambda **options: asked.update(options))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1")
    assert ray_launcher._connected(None) is ray
    assert (asked["address"], asked["_node_ip_address"], asked["include_dashboard"]) == ("local", "127.0.0.1", False)
    assert os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


@pytest.mark.slow
def test_a_tracking_server_listens_here_alone(tmp_path: Path) -> None:
    with tracking_server(tmp_path) as server:
        assert server.process is not None
        found = listening(server.process)
    assert found
    assert all(map(is_loopback, found)), found


@pytest.mark.slow
def test_a_ray_of_this_machine_alone_listens_here_alone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOCAL_RAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        found = listening(process.pid)
        process.communicate(timeout=PATIENCE)
    assert found
    assert all(map(is_loopback, found)), found
