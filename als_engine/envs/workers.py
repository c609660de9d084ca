"""A batch of worlds spread over processes, which write into shared memory.

PyBullet holds the interpreter's lock, so a second core needs a second process. Each steps its own
contiguous part of the worlds. Commands travel through pipes, arrays never do. A process that dies
closes its pipe, which the parent sees at once.

An exchange that is broken off, by Ctrl-C or an exception of a signal handler's, may leave half a
message or a late answer in a pipe. So a pool whose last exchange did not end does nothing but
`reset`, which starts new processes, and `close`. That is also the way out when a process hangs.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from als_engine.bodies.codec import as_array
from als_engine.envs.batch import Arrays, Batch, buffer_shapes, check_alike, rewards_of
from als_engine.envs.processes import Failure, Process
from als_engine.errors import ArgumentError, PhysicsError, ResetNeededError, WorkerError
from als_engine.limits import check_memory
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import ScenarioSpec
from als_engine.simulation import Simulation, simulate
from als_engine.simulation.levels import ITS_OWN
from als_engine.system import host
from als_engine.system.host import SharedBlock
from als_engine.system.ownership import Owner
from als_engine.world.arrays import BoolArray
from als_engine.world.snapshot import Snapshot

_ALIGNMENT = 64
_PROCESS_BYTES = 100 << 20  # Python with Numba and PyBullet, about.

Shapes = dict[str, dict[str, tuple[tuple[int, ...], Any]]]
Message = tuple[Any, ...]


class WorkerPool(Owner):
    """Worlds in several processes, with the face of a `Batch`; see `Worlds`."""

    def __init__(
        self,
        scenario: str | ScenarioSpec,
        num_worlds: int,
        observers: int | None,
        workers: int,
        autoreset: AutoresetMode,
        arguments: Mapping[str, Any],
        captions: bool = False,
    ) -> None:
        """Starts the processes, each with its part of the worlds.

        Raises:
            ArgumentError: there are more workers than worlds.
            WorkerError: a process did not start.
        """
        super().__init__()
        if workers > num_worlds:
            raise ArgumentError(f"workers must be 1 to num_envs={num_worlds}, got {workers}")
        spec = scenario if isinstance(scenario, ScenarioSpec) else registry.scenario(scenario)
        # One world in this process, for its spaces; it needs a reset to know its metrics. What it
        # compiles, the workers find in the cache.
        self.simulation = simulate(spec, 1, observers, **arguments)
        self.simulation.reset([0])
        self.simulation.observe()
        shapes = buffer_shapes(self.simulation)
        action = ((self.simulation.observers, *(self.simulation.action_space.shape or ())),)
        shapes["actions"] = {"actions": (*action, self.simulation.action_space.dtype)}
        self.simulation.close()

        size = _size(shapes, num_worlds)
        check_memory(f"{num_worlds} worlds with these sensors", size)
        check_memory(f"{workers} workers", workers * _PROCESS_BYTES)
        self._memory = SharedBlock.make(size)
        self._free = weakref.finalize(self, self._memory.close)
        arrays = _views(self._memory.map(), shapes, num_worlds, 0, num_worlds)
        self.observations, self.metrics = arrays["observations"], arrays["metrics"]
        self.final_observations = arrays["final_observations"]
        self.final_metrics, self.final_masks = arrays["final_metrics"], arrays["final_masks"]
        self.final_outcomes = arrays["final_outcomes"]
        self.rewards, self.terms = rewards_of(arrays)
        self.reward_names = self.simulation.reward_names
        self.terminated = arrays["results"]["terminated"]
        self.truncated = arrays["results"]["truncated"]
        self.coming_levels = arrays["levels"]["coming"]
        self.coming_levels[:] = ITS_OWN
        self._actions = arrays["actions"]["actions"]
        self._check = self.simulation.acting.new_commands(num_worlds)
        self._autoreset = autoreset
        self._company: BoolArray = np.zeros((num_worlds, self.simulation.observers), np.bool_)
        # Which worlds may be stepped; and whether the last exchange with the workers did not end.
        self._ready: BoolArray = np.zeros(num_worlds, np.bool_)
        self._torn, self._closed = True, False

        edges = [num_worlds * i // workers for i in range(workers + 1)]
        self._parts = [slice(low, high) for low, high in pairwise(edges)]
        memory = (self._memory, shapes, num_worlds)
        self._job = (memory, spec, observers, autoreset.value, dict(arguments), captions)
        self._processes: list[Process] = []
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        """Starts the processes, in place of those that there are."""
        self._end_processes()
        self._torn = True
        for part, core in zip(self._parts, _cores(len(self._parts)), strict=True):
            self._processes.append(
                Process(
                    _work,
                    *self._job,
                    part,
                    core,
                    specs=[self._job[1]],
                    descriptors=self._memory.handles,
                )
            )
        answers = [self._answer(i) for i in range(len(self._parts))]
        _throw_first(answers)
        self._torn = False
        if self._company.any():
            self.give_to_company(self._company)

    def reset(
        self,
        seeds: Sequence[int | None],
        worlds: BoolArray | None = None,
        level: int | None = None,
    ) -> None:
        """Starts new episodes in all worlds, or in those of a mask.

        After an exchange that was broken off it starts new processes, whose worlds draw anew where
        they get no seed.
        """
        self._check_open()
        if self._torn:
            self._ready[:] = False
            self._start()
        which = slice(None) if worlds is None else worlds
        self._ready[which] = False
        seeds = list(seeds)
        masks = [None if worlds is None else worlds[part] for part in self._parts]
        _throw_first(
            self._ask(
                (i, ("reset", seeds[part], masks[i], level)) for i, part in enumerate(self._parts)
            )
        )
        self._ready[which] = True

    def step(self, actions: ArrayLike) -> None:
        """Advances every world, or none where this is refused.

        Raises:
            ActionError: an action is not in the action space; nothing has changed.
            ResetNeededError: a world is not reset, or its last step broke off in the middle.
        """
        self._check_whole()
        if not self._ready.all():
            raise ResetNeededError(
                f"call reset() before step(): world {self._ready.argmin()} is not reset, or its "
                "last step or reset broke off in the middle"
            )
        if self._autoreset is AutoresetMode.DISABLED:
            ended = self.terminated | self.truncated
            if ended.any():
                raise ResetNeededError(
                    f"the episode of world {ended.argmax()} has ended: call reset()"
                )
        array = as_array(actions)
        # All of them, before any worker takes a step.
        self.simulation.codec.decode(array, self._check, self.simulation.observers)
        with np.errstate(over="ignore"):  # One that is clipped may be larger than float32 holds.
            self._actions[:] = array
        self._ready[:] = False
        answers = self._ask((i, ("step",)) for i in range(len(self._parts)))
        errors = [answer.error for answer in answers if isinstance(answer, Failure)]
        # Beside a world whose physics broke the others are whole; a task's error is everybody's.
        broken = [error for error in errors if isinstance(error, PhysicsError)]
        if broken == errors:
            self._ready[:] = True
            for error in broken:
                self._ready[list(error.worlds)] = False
        _throw_first(answers)

    def remake(self, scenario: str | ScenarioSpec, arguments: Mapping[str, Any]) -> None:
        """Makes the worlds anew, in the same processes; see `Worlds.remake`."""
        self._check_whole()
        memory, spec, observers, autoreset, _, captions = self._job
        made = simulate(scenario, 1, observers, **arguments)
        check_alike(self.simulation, made)
        self.simulation = made
        self._job = (memory, spec, observers, autoreset, dict(arguments), captions)
        self._ready[:] = False
        parts = range(len(self._parts))
        _throw_first(self._ask((i, ("remake", dict(arguments))) for i in parts))

    def snapshot(self, worlds: NDArray[np.intp]) -> Snapshot:
        """The moment of some worlds.

        Raises:
            ResetNeededError: a world is not reset, or its last step broke off in the middle.
        """
        self._check_whole()
        if not self._ready[worlds].all():
            world = worlds[self._ready[worlds].argmin()]
            raise ResetNeededError(f"call reset() before snapshot(): world {world} is not reset")
        order = np.sort(worlds)
        parts = self._of_parts(order)
        answers = self._ask((i, ("snapshot", order[at] - low)) for i, at, low in parts)
        _throw_first(answers)
        return Snapshot.join(answers).select(np.searchsorted(order, worlds))

    def restore(self, snapshot: Snapshot, worlds: NDArray[np.intp]) -> None:
        """Puts some worlds back to a moment, or changes nothing.

        Raises:
            SnapshotError: the snapshot is not of such worlds.
            PhysicsError: it is damaged.
        """
        self._check_whole()
        self.simulation.snapshots.check(snapshot, worlds)
        standing = worlds[self._ready[worlds]]
        before = self.snapshot(standing) if standing.size else None
        self._ready[worlds] = False
        answers = self._send(snapshot, worlds)
        if failed := [answer for answer in answers if isinstance(answer, Failure)]:
            # Some workers have restored their part: they go back.
            if before is not None:
                _throw_first(self._send(before, standing))
                self._ready[standing] = True
            failed[0].throw()
        self._ready[worlds] = True

    def _send(self, snapshot: Snapshot, worlds: NDArray[np.intp]) -> list[Any]:
        """Lets each worker restore its part of a snapshot; returns what they answer."""
        order = np.argsort(worlds)
        parts = self._of_parts(worlds[order])
        return self._ask(
            (i, ("restore", snapshot.select(order[at]), worlds[order[at]] - low))
            for i, at, low in parts
        )

    def _of_parts(self, worlds: NDArray[np.intp]) -> list[tuple[int, slice, int]]:
        """Worker, where its worlds are among some in ascending order, and its first world."""
        found = []
        for i, part in enumerate(self._parts):
            at = slice(*np.searchsorted(worlds, [part.start, part.stop]).tolist())
            if at.start < at.stop:
                found.append((i, at, part.start))
        return found

    def give_to_company(self, observers: BoolArray) -> None:
        """Lets behaviours drive some of the caller's avatars, (worlds, observers)."""
        self._check_whole()
        self._company = observers.copy()
        _throw_first(
            self._ask((i, ("company", observers[part])) for i, part in enumerate(self._parts))
        )

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the actions of the expert or of a heuristic, (worlds, observers, ...)."""
        return self._ask_all("expert", rule)

    def action_masks(self) -> BoolArray:
        """Which actions are possible now, (worlds, observers, n)."""
        return self._ask_all("masks")

    def state(self) -> NDArray[np.float32]:
        """The worlds' state vectors, (worlds, numbers)."""
        return self._ask_all("state")

    def render(self, world: int = 0) -> NDArray[np.uint8]:
        """A third-person picture of one world."""
        self._check_whole()
        worker = next(i for i, part in enumerate(self._parts) if part.start <= world < part.stop)
        answers = self._ask([(worker, ("render", world - self._parts[worker].start))])
        _throw_first(answers)
        picture: NDArray[np.uint8] = answers[0]
        return picture

    def close(self) -> None:
        """Ends the processes; one that does not end by itself is killed."""
        self._closed = True
        self._end_processes()
        self._free()

    def _end_processes(self) -> None:
        for process in self._processes:
            process.pipe.close()  # First of all: they end at the same time.
        for process in self._processes:
            if self._torn and self.is_owner:
                process.kill()  # It may hang, and there is nothing to wait for.
            process.close()
        self._processes = []

    def _check_open(self) -> None:
        self.check_owner()
        if self._closed:
            raise ResetNeededError("the environment is closed; make a new one")

    def _check_whole(self) -> None:
        self._check_open()
        if self._torn:
            raise ResetNeededError(
                "the last call was interrupted, or a worker has died: call reset(), which starts "
                "new workers, or close()"
            )

    def _ask_all(self, *question: Any) -> NDArray[Any]:
        """What every worker answers about its worlds, put together."""
        self._check_whole()
        answers = self._ask((i, question) for i in range(len(self._parts)))
        _throw_first(answers)
        return np.concatenate(answers)

    def _ask(self, messages: Iterable[tuple[int, Message]]) -> list[Any]:
        """Sends messages to workers and returns their answers, some of which may be failures."""
        asked = []
        self._torn = True
        for worker, message in messages:
            asked.append(worker)
            try:
                self._processes[worker].pipe.send(message)
            except OSError as error:
                raise self._dead(worker, error) from None
        answers = [self._answer(worker) for worker in asked]
        self._torn = False
        return answers

    def _answer(self, worker: int) -> Any:
        try:
            return self._processes[worker].pipe.recv()
        except (EOFError, OSError) as error:
            raise self._dead(worker, error) from None

    def _dead(self, worker: int, error: Exception) -> Exception:
        """What an error of a worker's pipe means: its end, or the error that it is."""
        process, part = self._processes[worker], self._parts[worker]
        if not process.has_died(error):
            return error
        return WorkerError(
            f"worker {worker} (worlds {part.start} to {part.stop - 1}) died with exit code "
            f"{process.exitcode}: call reset(), which starts new workers, or close()"
        )


def _throw_first(answers: Iterable[Any]) -> None:
    """Raises the first failure among some answers."""
    for answer in answers:
        if isinstance(answer, Failure):
            answer.throw()


def _cores(workers: int) -> list[int | None]:
    """A core for each worker, where there are exactly as many; else None for each.

    A worker that was just woken starts on the core of whoever woke it, beside the other workers,
    until the kernel moves it (`benchmarks/throughput.py --only workers`). With fewer workers than
    cores nobody is pinned, since other environments would choose the same cores.
    """
    cores = host.cores()
    return [*cores] if cores and len(cores) == workers else [None] * workers


def _work(
    pipe: Connection,
    memory: tuple[SharedBlock, Shapes, int],
    spec: ScenarioSpec,
    observers: int | None,
    autoreset: str,
    arguments: dict[str, Any],
    captions: bool,
    part: slice,
    core: int | None,
) -> None:
    """What a worker process does until its parent closes the pipe, or is gone."""
    if core is not None:
        host.pin(core)
    block, shapes, num_worlds = memory
    arrays = _views(block.map(), shapes, num_worlds, part.start, part.stop)
    block.close()
    actions = arrays.pop("actions")["actions"]
    try:
        simulation: Simulation = simulate(
            spec, part.stop - part.start, observers, first_world=part.start, **arguments
        )
        batch = Batch(simulation, AutoresetMode(autoreset), arrays, captions)
        pipe.send(None)
    except Exception as error:
        Failure.of(error).send(pipe)
        return
    commands: dict[str, Callable[..., Any]] = {
        "reset": batch.reset,
        "step": lambda: batch.step(actions),
        "remake": lambda changed: batch.remake(spec, changed),
        "snapshot": batch.snapshot,
        "restore": batch.restore,
        "company": batch.give_to_company,
        "expert": batch.expert_actions,
        "masks": batch.action_masks,
        "state": batch.state,
        "render": batch.render,
    }
    while True:
        name, *rest = pipe.recv()
        try:
            answer = commands[name](*rest)
        except Exception as error:
            Failure.of(error).send(pipe)
        else:
            pipe.send(answer)


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
