"""Executors of a run's tasks: processes of this machine, or a Ray cluster.

An executor takes a function and its arguments and gives a `Future`. A task that fails raises what
the function raised; one whose process died raises `WorkerError`, and the next task gets a new one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol, TypeVar

from als_bench.running.tasks import attempt
from als_engine.checks import at_least_one
from als_engine.envs.processes import Failure, Process
from als_engine.errors import ArgumentError, MachineError, WorkerError, unknown

__all__ = ["EXECUTORS", "Executor", "LocalExecutor", "make_executor"]

EXECUTORS: Final = ("local", "ray")

T = TypeVar("T")


class Executor(Protocol):
    """Does tasks, several at once.

    Attributes:
        workers: how many at once; tasks beyond that wait.
    """

    workers: int

    def submit(self, task: Callable[..., T], *arguments: Any) -> Future[T]:
        """Starts a task as soon as a worker is free."""

    def close(self) -> None:
        """Ends everything at once; what was being done is lost."""


def make_executor(name: str, workers: int) -> Executor:
    """An executor by its name.

    Raises:
        ArgumentError: there is no such executor.
        PluginError: Ray is not installed.
    """
    if name == "ray":
        # Imported late: Ray is an extra, and slow to import.
        from als_bench.running.ray_executor import RayExecutor

        return RayExecutor(workers)
    if name != "local":
        raise ArgumentError(unknown("executor", name, EXECUTORS))
    return LocalExecutor(workers)


class LocalExecutor:
    """Worker processes of this machine. Each is driven by a thread that waits for its answers."""

    def __init__(self, workers: int) -> None:
        """Starts nothing; a process starts with its first task."""
        self.workers = workers = at_least_one("workers", workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="als-bench")
        self._own = threading.local()
        self._lock = threading.Lock()
        self._processes: list[Process] = []
        self._closed = False

    def submit(self, task: Callable[..., T], *arguments: Any) -> Future[T]:
        """Starts a task as soon as a process is free."""
        return self._threads.submit(self._do, task, *arguments)

    def close(self) -> None:
        """Kills the processes; their threads then end by themselves."""
        with self._lock:
            self._closed = True
            for process in self._processes:
                process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.close()

    def _do(self, task: Callable[..., T], *arguments: Any) -> T:
        try:
            process = self._worker()
        except OSError as error:
            raise MachineError(f"no process can be started: {error.strerror}") from None
        try:
            process.pipe.send((task, arguments))
            answer = process.pipe.recv()
        except (EOFError, OSError):
            process.join()
            self._own.worker = None
            if process.exitcode == -signal.SIGKILL:  # As the kernel does where memory runs out.
                raise MachineError(
                    "the worker process was killed: is there enough memory?"
                ) from None
            raise WorkerError(f"the worker process died with code {process.exitcode}") from None
        if isinstance(answer, Failure):
            answer.throw()
        worked, result = answer
        if not worked:
            raise result
        done: T = result
        return done

    def _worker(self) -> Process:
        """This thread's process."""
        if getattr(self._own, "worker", None) is None:
            with self._lock:
                if self._closed:
                    raise WorkerError("the run is over")
                self._own.worker = Process(_work)
                self._processes.append(self._own.worker)
        worker: Process = self._own.worker
        return worker


def _work(pipe: Connection) -> None:
    """What a worker process does until its parent is gone."""
    while True:
        task, arguments = pipe.recv()
        pipe.send(attempt(task, arguments))
