"""A batch of worlds spread over processes, which write into shared memory.

PyBullet holds the interpreter's lock, so a second core needs a second process. Processes are
spawned, never forked; each steps its own contiguous part of the worlds. Commands travel through
pipes, arrays never do. A process that dies closes its pipe, which the parent sees at once.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from als_engine.arrays import BoolArray
from als_engine.avatar import Commands, as_array
from als_engine.envs.batch import Arrays, Batch, buffer_shapes, rewards_of
from als_engine.errors import ALSError, ArgumentError, ResetNeededError, WorkerError
from als_engine.simulation import Simulation, simulate
from als_engine.specs import ScenarioSpec

_ALIGNMENT = 64
_GRACE = 5.0
_HINT = 'in a script, put the code that makes it under `if __name__ == "__main__":`'

Shapes = dict[str, dict[str, tuple[tuple[int, ...], Any]]]


class WorkerPool:
    """Worlds in several processes, with the face of a `Batch`; see `Worlds`."""

    def __init__(
        self,
        scenario: str | ScenarioSpec,
        num_worlds: int,
        observers: int | None,
        workers: int,
        autoreset: AutoresetMode,
        arguments: Mapping[str, Any],
    ) -> None:
        """Starts the processes, each with its part of the worlds.

        Raises:
            ArgumentError: there are more workers than worlds.
            WorkerError: a process did not start.
        """
        if workers > num_worlds:
            raise ArgumentError(f"workers must be 1 to num_envs={num_worlds}, got {workers}")
        # One world in this process, for its spaces; it needs a reset to know its metrics.
        self.simulation = simulate(scenario, 1, observers, **arguments)
        self.simulation.reset([0])
        shapes = buffer_shapes(self.simulation)
        action = ((self.simulation.observers, *(self.simulation.action_space.shape or ())),)
        shapes["actions"] = {"actions": (*action, self.simulation.action_space.dtype)}
        self.simulation.close()

        context = multiprocessing.get_context("spawn")
        memory = context.RawArray("B", _size(shapes, num_worlds))
        arrays = _views(memory, shapes, num_worlds, 0, num_worlds)
        self.observations, self.metrics = arrays["observations"], arrays["metrics"]
        self.final_observations = arrays["final_observations"]
        self.final_metrics = arrays["final_metrics"]
        self.rewards, self.terms = rewards_of(arrays)
        self.reward_names = self.simulation.reward_names
        self.terminated = arrays["results"]["terminated"]
        self.truncated = arrays["results"]["truncated"]
        self._actions = arrays["actions"]["actions"]
        self._check = Commands(num_worlds, self.simulation.num_avatars)

        edges = [num_worlds * i // workers for i in range(workers + 1)]
        self._parts = [slice(low, high) for low, high in pairwise(edges)]
        self._processes: list[Any] = []
        self._pipes: list[Connection] = []
        cores, arguments = _cores(workers), dict(arguments)
        for i, part in enumerate(self._parts):
            ours, theirs = context.Pipe()
            job = (memory, shapes, num_worlds, part.start, part.stop)
            process = context.Process(
                target=_work,
                args=(theirs, job, scenario, observers, autoreset.value, arguments, cores[i]),
                name=f"als-worker-{i}",
                daemon=True,
            )
            process.start()
            theirs.close()  # Else its end would stay open when the process dies.
            self._processes.append(process)
            self._pipes.append(ours)
        try:
            self._answers()
        except Exception:
            self.close()
            raise

    def reset(
        self,
        seeds: Sequence[int | None],
        worlds: BoolArray | None = None,
        level: int | None = None,
    ) -> None:
        """Starts new episodes in all worlds, or in those of a mask."""
        for i, part in enumerate(self._parts):
            mask = None if worlds is None else worlds[part]
            self._send(i, ("reset", list(seeds)[part], mask, level))
        self._answers()

    def step(self, actions: ArrayLike) -> None:
        """Advances every world."""
        array = as_array(actions)
        kinds = "iu" if self._actions.dtype.kind in "iu" else "fiu"
        if array.shape != self._actions.shape or array.dtype.kind not in kinds:
            # Fails, with the message that one process gives.
            self.simulation.codec.decode(array, self._check, self.simulation.observers)
        with np.errstate(over="ignore"):  # An infinite value is refused by its worker.
            self._actions[:] = array
        for i in range(len(self._parts)):
            self._send(i, ("step",))
        self._answers()

    def expert_actions(self) -> NDArray[Any]:
        """What the task's expert does now, (worlds, observers, ...)."""
        for i in range(len(self._parts)):
            self._send(i, ("expert",))
        return np.concatenate(self._answers())

    def state(self) -> NDArray[np.float32]:
        """The worlds' state vectors, (worlds, numbers)."""
        for i in range(len(self._parts)):
            self._send(i, ("state",))
        return np.concatenate(self._answers())

    def render(self, world: int = 0) -> NDArray[np.uint8]:
        """A third-person picture of one world."""
        worker = next(i for i, part in enumerate(self._parts) if part.start <= world < part.stop)
        self._send(worker, ("render", world - self._parts[worker].start))
        picture: NDArray[np.uint8] = self._answer(worker)
        return picture

    def close(self) -> None:
        """Ends the processes; one that does not end by itself is killed."""
        for pipe in self._pipes:
            with suppress(OSError):  # It may be dead already.
                pipe.send(("close",))
            pipe.close()
        for process in self._processes:
            process.join(_GRACE)
            if process.is_alive():
                process.kill()
                process.join()
        self._pipes, self._processes = [], []

    def _send(self, worker: int, message: tuple[Any, ...]) -> None:
        if not self._pipes:
            raise ResetNeededError("the environment is closed; make a new one")
        try:
            self._pipes[worker].send(message)
        except OSError:
            raise self._dead(worker) from None

    def _answers(self) -> list[Any]:
        """Every worker's answer; all are read before an error is raised, so none is left over."""
        results, errors = [], []
        for i in range(len(self._parts)):
            try:
                results.append(self._answer(i))
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return results

    def _answer(self, worker: int) -> Any:
        try:
            result = self._pipes[worker].recv()
        except (EOFError, OSError):
            raise self._dead(worker) from None
        if isinstance(result, _Failure):
            # What is wrong with the user's own arguments needs no traceback of ours.
            user_error = isinstance(result.error, ALSError)
            raise result.error from (None if user_error else _RemoteTraceback(result.traceback))
        return result

    def _dead(self, worker: int) -> WorkerError:
        process = self._processes[worker]
        process.join(_GRACE)
        part = self._parts[worker]
        return WorkerError(
            f"worker {worker} (worlds {part.start} to {part.stop - 1}) died with exit code "
            f"{process.exitcode}; close the environment and make a new one ({_HINT})"
        )


def _cores(workers: int) -> list[int | None]:
    """A core for each worker, where there are exactly as many; else None for each.

    A worker that was just woken starts on the core of whoever woke it, beside the other workers,
    until the kernel moves it (`benchmarks/throughput.py --only workers`). With fewer workers than
    cores nobody is pinned, since other environments would choose the same cores.
    """
    if not hasattr(os, "sched_getaffinity"):  # Linux alone has it.
        return [None] * workers
    cores = sorted(os.sched_getaffinity(0))
    return [*cores] if len(cores) == workers else [None] * workers


def _work(
    pipe: Connection,
    job: tuple[Any, Shapes, int, int, int],
    scenario: str | ScenarioSpec,
    observers: int | None,
    autoreset: str,
    arguments: dict[str, Any],
    core: int | None,
) -> None:
    """What a worker process does until it is told to stop, or its parent is gone."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    memory, shapes, num_worlds, low, high = job
    arrays = _views(memory, shapes, num_worlds, low, high)
    actions = arrays.pop("actions")["actions"]
    try:
        simulation: Simulation = simulate(
            scenario, high - low, observers, first_world=low, **arguments
        )
        batch = Batch(simulation, AutoresetMode(autoreset), arrays)
        pipe.send(None)
    except Exception as error:
        pipe.send(_Failure(*_portable(error)))
        return
    commands: dict[str, Callable[..., Any]] = {
        "reset": batch.reset,
        "step": lambda: batch.step(actions),
        "expert": batch.expert_actions,
        "state": batch.state,
        "render": batch.render,
    }
    try:
        while (message := pipe.recv())[0] != "close":
            try:
                pipe.send(commands[message[0]](*message[1:]))
            except Exception as error:
                pipe.send(_Failure(*_portable(error)))
    except (EOFError, OSError, KeyboardInterrupt):
        pass  # The parent is gone, or will close us.
    batch.close()


class _Failure(NamedTuple):
    """What a worker answers when a command has failed."""

    error: Exception
    traceback: str


class _RemoteTraceback(Exception):  # noqa: N818 - It is shown as a cause, never raised.
    """A worker's traceback as text: what the error in the parent shows as its cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _portable(error: Exception) -> tuple[Exception, str]:
    """The error itself where it can be sent, else its text; and its traceback."""
    text = traceback.format_exc()
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error, text
    except Exception:  # A class that is defined in a function, an argument that is a lock, ...
        pass
    return WorkerError(f"a worker failed: {type(error).__name__}: {error}"), text


def _size(shapes: Shapes, num_worlds: int) -> int:
    return sum(
        _padded(num_worlds * int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
        for members in shapes.values()
        for shape, dtype in members.values()
    )


def _views(memory: Any, shapes: Shapes, num_worlds: int, low: int, high: int) -> dict[str, Arrays]:
    """The worlds from `low` to `high` of every array in a block of shared memory."""
    offset = 0
    views: dict[str, Arrays] = {}
    for group, members in shapes.items():
        views[group] = {}
        for name, (shape, dtype) in members.items():
            whole = np.ndarray((num_worlds, *shape), dtype, buffer=memory, offset=offset)
            views[group][name] = whole[low:high]
            offset += _padded(whole.nbytes)
    return views


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
