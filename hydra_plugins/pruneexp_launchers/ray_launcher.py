"""``hydra/launcher=ray``: each job of a sweep is a task on a Ray cluster; those of a dead node run again elsewhere.

Not by way of hydra-ray-launcher 1.2.2 (the last release): it requires cloudpickle<3, and MLflow's comes from above
that, brings boto3 and Ray's dashboard, and pickles the whole configuration and every result. No ``annotations`` from
``__future__``: Hydra executes the module before it is in ``sys.modules``.
"""

import json
import os
import socket
import sys
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.pruneexp_launchers._work import (
    JobResult,
    SentJob,
    carry_out,
    check_installed,
    launched,
    shared_out,
    to_send,
)
from pruneexp.errors import UserError, first_line
from pruneexp.signals import Stopped

_PROBE_SECONDS = 5.0


def remote(job: str) -> str:
    """What runs on a node, in a process of its own. Told to leave it dies, saved: Ray runs again only what crashed."""
    try:
        return carry_out(job)
    except Stopped as stopped:
        os._exit(128 + stopped.signal)


class RayLauncher(Launcher):
    """``address`` is that of a cluster, ``auto`` for the one this machine is part of, null for one made here and now.

    A job takes ``num_cpus`` and ``num_gpus``, and is run again up to ``retries`` times when its node or process dies.
    """

    def __init__(
        self,
        address: str | None,
        num_cpus: float,
        num_gpus: float,
        memory_gb: float | None,
        resources: Mapping[str, float] | None,
        retries: int,
    ) -> None:
        self.address, self.num_cpus = address, num_cpus
        # A process for each job: CUDA and torch keep what an earlier one has set.
        self.needs = {"num_cpus": num_cpus, "num_gpus": num_gpus, "resources": dict(resources or {}),
                      "max_retries": retries, "max_calls": 1, "scheduling_strategy": "SPREAD"}  # fmt: skip
        if memory_gb is not None:
            self.needs["memory"] = int(memory_gb * 2**30)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        check_installed("ray", "ray")
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        said = shared_out(self.config, max(1, int(self.num_cpus)))
        return launched(to_send(self.config, job_overrides, initial_job_idx, said), self._run)

    def _run(self, jobs: Sequence[SentJob]) -> Generator[JobResult]:
        ray = _connected(self.address)
        try:
            task = ray.remote(**self.needs)(remote)
            left = {task.remote(job.text()): job for job in jobs}
            print(f"pruneexp: {len(jobs)} jobs are with Ray", file=sys.stderr, flush=True)
            while left:
                (handle,), _ = ray.wait(list(left))
                yield left.pop(handle), _result(ray, handle), None
        finally:
            ray.shutdown()  # jobs that still run are ended


def _connected(address: str | None) -> Any:
    """Ray, connected.

    Raises:
        UserError: there is no cluster at that address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not address:
        # A node of the address 127.0.0.1 listens on it alone, one of any other on every interface; and Ray puts another
        # in its place unless it is told, before it is imported, that no other machine will join.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    local = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        if address and ":" in address:  # Ray itself would try for minutes
            host, _, port = address.rpartition("://")[2].rpartition(":")
            socket.create_connection((host, int(port)), timeout=_PROBE_SECONDS).close()
        import ray

        # Without an address Ray would join whichever cluster was started here last, or the one of RAY_ADDRESS.
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise UserError(
            f"hydra.launcher.address={address}: no Ray cluster could be joined: {first_line(error)}"
        ) from error
    return ray


def _result(ray: Any, handle: Any) -> dict[str, Any]:
    """What ``carry_out`` returned on the node, or the ``failure`` to get that."""
    try:
        return dict(json.loads(ray.get(handle)))
    except ray.exceptions.RayError as error:
        return {"failure": f"Ray gave the job up: {first_line(error)}"}
