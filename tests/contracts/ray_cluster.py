"""A Ray cluster of two nodes on this machine; nothing of it outlives its block."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.commands import PATIENCE
from tests.contracts.ports import free_port

_EACH = ("--node-ip-address=127.0.0.1", "--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats",
         "--include-log-monitor=false", "--block")  # fmt: skip


@dataclass(frozen=True)
class Node:
    """One ``ray start`` and all that it has started."""

    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """As when the power fails: every process of the node at once."""
        for process in reversed(family(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()

    def runs(self) -> bool:
        """Whether a process of the node carries out a job."""
        return any(b"ray::remote" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family(self.process.pid))


@dataclass(frozen=True)
class Cluster:
    address: str
    head: Node
    worker: Node


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Two nodes with one core each; the folder is not pytest's, for the path of a socket is short."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder, ExitStack() as running:
        address = f"127.0.0.1:{free_port()}"
        log = Path(folder, "log")
        head = (
            "--head",
            f"--port={address.partition(':')[2]}",
            "--include-dashboard=false",
            f"--temp-dir={folder}/ray",
        )
        first = running.enter_context(_node(log, *head))
        _until_up(1, address, log)
        second = running.enter_context(_node(log, f"--address={address}"))
        _until_up(2, address, log)
        yield Cluster(address, first, second)


@contextmanager
def _node(log: Path, *options: str) -> Iterator[Node]:
    command = [str(Path(sys.executable).with_name("ray")), "start", *options, *_EACH]
    with log.open("a") as file:
        # A token that an earlier Ray has left in the home folder would be asked for, of drivers that have none.
        known = os.environ | {"RAY_AUTH_MODE": "disabled"}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=known)
    node = Node(process)
    try:
        yield node
    finally:
        node.kill()


def _until_up(nodes: int, address: str, log: Path) -> None:
    count = f"import ray; ray.init('{address}', log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))"
    deadline = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run([sys.executable, "-c", count], capture_output=True, text=True, check=False)
        if done.stdout.strip() == str(nodes):
            return
        assert time.monotonic() < deadline, log.read_text() + done.stderr
        time.sleep(0.5)


def family(first: int) -> Sequence[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = [first]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found
