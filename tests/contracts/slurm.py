"""A Slurm cluster of one node, with a munge of its own, in a folder; nothing of it outlives its block."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contracts.commands import PATIENCE
from tests.contracts.ports import free_ports

# Without control groups, which containers do not have. A requeued job waits until the credential of its first run has
# expired: cred_expire, two minutes by default and five seconds at least.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobRequeue=1
KillWait=20
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Cluster:
    """A running cluster; its commands work with ``environment``."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def __call__(self, *command: str) -> str:
        """What a command of Slurm's prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """State of every job that is not over, by its id."""
        return dict(line.split() for line in self("squeue", "--noheader", "--array", "--format=%i %T").splitlines())

    def restarts(self, job: str) -> int:
        shown = self("scontrol", "--oneliner", "show", "job", job)
        return int(shown.partition("Restarts=")[2].split()[0])


def program(name: str) -> str:
    """The path of a daemon, which Debian keeps out of a user's PATH."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.fail(f"this test starts a Slurm cluster, and finds no {name}: apt-get install slurm-wlm munge")
    return found


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster of this machine; the folder is not pytest's, for the path of a socket is short."""
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)  # or munged does not let other users to its socket
        for inner in ("state", "spool"):
            (folder / inner).mkdir()
        _configure(folder)
        made = Cluster(folder)
        munge = [f"--{what}={folder}/munge.{what.partition('-')[0]}" for what in ("socket", "key-file", "log-file")]
        munge += [f"--{what}={folder}/munge.{what.partition('-')[0]}" for what in ("pid-file", "seed-file")]
        running.enter_context(_daemon(made, program("munged"), "--foreground", *munge))
        _until((folder / "munge.socket").exists, folder / "munge.log")
        running.enter_context(_daemon(made, program("slurmctld"), "-D"))
        running.enter_context(_daemon(made, program("slurmd"), "-D"))
        _until(lambda: _idle(made), folder / "slurmd.log")
        running.callback(subprocess.run, ["scancel", "--user", getpass.getuser(), "--full"], env=made.environment)
        yield made


def _configure(folder: Path) -> None:
    host = socket.gethostname().split(".")[0]
    text = CONFIGURATION.format(host=host, folder=folder, user=getpass.getuser(), ports=free_ports(2))
    (folder / "slurm.conf").write_text(text)
    (folder / "munge.key").touch(mode=0o600)
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))


@contextmanager
def _daemon(of: Cluster, *command: str) -> Iterator[None]:
    with (of.folder / "daemons.log").open("a") as log:
        process = subprocess.Popen(command, env=of.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _idle(of: Cluster) -> bool:
    done = subprocess.run(["sinfo", "-h", "-o", "%T"], env=of.environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "idle"


def _until(ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, log.read_text() if log.exists() else f"no {log}"
        time.sleep(0.1)
