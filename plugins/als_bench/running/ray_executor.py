"""Tasks on a Ray cluster: one machine or many, with the same table at the end.

`RAY_ADDRESS` names a cluster that runs already, on whose machines the same version of this package
is installed; without it a cluster of this machine alone is started. The tasks are those of
`LocalExecutor`, and give the same bits. Ray itself does a task again whose machine was lost.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, TypeVar, cast

from als_bench.running.tasks import attempt
from als_engine.errors import PluginError, WorkerError

__all__ = ["RayExecutor"]

RETRIES: Final = 3
"""How often Ray does a task again whose machine or process was lost."""

T = TypeVar("T")


class RayExecutor:
    """Hands tasks to Ray, which has them wait until a core is free."""

    def __init__(self, workers: int) -> None:
        """Joins the cluster, or starts one of `workers` cores.

        Raises:
            PluginError: Ray is not installed.
            WorkerError: the cluster cannot be reached.
        """
        try:
            import ray
        except ModuleNotFoundError:
            hint = 'install it with: pip install "als-engine[ray]"'
            raise PluginError(f"the executor ray needs Ray; {hint}") from None
        self._ray = ray
        self._ours = not ray.is_initialized()
        if self._ours:
            joins = bool(os.environ.get("RAY_ADDRESS"))
            try:
                ray.init(
                    # Without an address Ray would join whatever cluster is left from before.
                    address=None if joins else "local",
                    num_cpus=None if joins else workers,
                    include_dashboard=None if joins else False,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                )
            except (ConnectionError, OSError, RuntimeError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise WorkerError(f"cannot reach a Ray cluster: {reason}") from error
        # Whatever the cluster has; machines that come later only shorten the queue.
        # A core for each task: Ray then gives its processes one thread, as `attempt` does.
        self.workers = max(1, int(cast("Any", ray).cluster_resources().get("CPU", workers)))
        self._remote = ray.remote(num_cpus=1, max_retries=RETRIES)(attempt)

    def submit(self, task: Callable[..., T], *arguments: Any) -> Future[T]:
        """Hands a task to Ray."""
        mine: Future[T] = Future()
        mine.set_running_or_notify_cancel()

        def settle(theirs: Future[tuple[bool, Any]]) -> None:
            try:
                worked, answer = theirs.result()
            # Whatever Ray says of lost machines and processes; tasks answer for themselves.
            except Exception as error:
                reason = " ".join(str(error).split())[:300]
                mine.set_exception(WorkerError(f"Ray lost the task: {reason}"))
            else:
                mine.set_result(answer) if worked else mine.set_exception(answer)

        reference = self._remote.remote(task, arguments)
        reference.future().add_done_callback(settle)
        return mine

    def close(self) -> None:
        """Leaves the cluster, which ends what it was still doing for us."""
        if self._ours:
            self._ray.shutdown()
