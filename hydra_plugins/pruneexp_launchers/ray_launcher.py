"""``hydra/launcher=ray``: each job of a sweep is a task on a Ray cluster; those of a dead node run again elsewhere.

Not by way of hydra-ray-launcher 1.2.2 (the last release): it requires cloudpickle<3, and MLflow's comes from above
that, brings boto3 and Ray's dashboard, and pickles the whole configuration and every result. No ``annotations`` from
``__future__``: Hydra executes the module before it is in ``sys.modules``.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from hydra_plugins.pruneexp_launchers._share import threaded
from hydra_plugins.pruneexp_launchers._work import (
    Order,
    Outcome,
    carry_out,
    orders,
    received,
    returned,
    sent,
    without_slots,
)
from pruneexp.config.launchers import check_installed
from pruneexp.errors import UserError, first_line
from pruneexp.signals import Stopped

_PROBE_SECONDS = 5.0


def remote(order: str) -> str:
    """What runs on a node, in a process of its own. Told to leave it dies, saved: Ray runs again only what crashed."""
    try:
        return carry_out(order)
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
        self.address = address
        self.num_cpus = num_cpus
        self.retries = retries
        self.needs = {"num_cpus": num_cpus, "num_gpus": num_gpus, "resources": dict(resources or {})}
        if memory_gb is not None:
            self.needs["memory"] = int(memory_gb * 2**30)
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        check_installed("ray")
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        assert self.config is not None
        # Ray's processes have an environment of their own, which decides nothing here.
        jobs, _ = threaded(job_overrides, self.config.runtime.threads, max(1, int(self.num_cpus)), {})
        wanted = [without_slots(order) for order in orders(self.config, jobs, initial_job_idx)]
        ray = _connected(self.address)
        try:
            # A process for each job: CUDA and torch keep what an earlier one has set.
            task = ray.remote(**self.needs, max_retries=self.retries, max_calls=1, scheduling_strategy="SPREAD")(remote)
            running = {task.remote(sent(order)): order for order in wanted}
            print(f"pruneexp: {len(wanted)} jobs are with Ray", file=sys.stderr, flush=True)
            return _collected(ray, running, wanted)
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


def _collected(ray: Any, running: Mapping[Any, Order], wanted: Sequence[Order]) -> list[JobReturn]:
    done: dict[int, JobReturn] = {}
    waiting = list(running)
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        for handle in ready:
            order = running[handle]
            done[order.number] = returned(order, _outcome(ray, handle))
    return [done[order.number] for order in wanted]


def _outcome(ray: Any, handle: Any) -> Outcome:
    try:
        return received(ray.get(handle))
    except ray.exceptions.RayError as error:
        return Outcome(failure=UserError.__name__, sentence=f"Ray gave the job up: {first_line(error)}")
