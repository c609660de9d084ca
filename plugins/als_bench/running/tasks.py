"""The tasks of a worker process: training an agent, or playing episodes with one.

Each task is a function of plain data: whichever process or machine runs it, and however often, it
gives the same bits. What a training leaves on the disk goes with its temporary folder.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from als_bench.contestants import Contestant
from als_bench.identity import YARDSTICKS
from als_bench.records import Chunk, TrainedAgent
from als_bench.running.pairing import Pair
from als_engine.agents.agent import Agent, Progress
from als_engine.agents.saving import RECORD, AgentRecord, make_agent
from als_engine.errors import ALSError, ArgumentError, MachineError, WorkerError
from als_engine.plugins.specs import SuiteEntry
from als_engine.system.leftovers import temporary_folder

__all__ = [
    "ONE_THREAD",
    "PlayTask",
    "Seat",
    "TrainTask",
    "attempt",
    "open_seat",
    "play_seated",
    "play_task",
    "train_task",
]

ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
)
CURVE_POINTS: Final = 60
MIN_EPISODES: Final = 20
"""Episodes behind the first point of a learning curve."""


def attempt(task: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    """Does a task in a worker process; what goes wrong is an answer as well.

    Returns:
        Whether it worked, and the result or the error.
    """
    # One thread, so that every process gives the same bits.
    os.environ.update(ONE_THREAD)
    try:
        return True, task(*arguments)
    except Exception as error:
        from als_bench.running.faults import machine_fault

        if fault := machine_fault(error):
            return False, MachineError(fault)
        if isinstance(error, ALSError):
            return False, error
        return False, WorkerError(f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class TrainTask:
    """One training.

    Attributes:
        contestant, entry, seed: what is trained, where, and from which seed.
        attempts: how often it has been begun, this one included.
    """

    contestant: Contestant
    entry: SuiteEntry
    seed: int
    attempts: int = 1


@dataclass(frozen=True)
class Seat:
    """The agent that drives an avatar.

    Attributes:
        contestant: the agent.
        files: of the trained agent; empty for one that is made by its id.
    """

    contestant: Contestant
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class PlayTask:
    """Some episodes of a unit.

    Attributes:
        seats: one agent for all avatars that are driven, or two, of which the first one counts.
        entry, arguments: where they play; `arguments` are complete.
        episodes: their numbers.
        seed: as in `playing.Setting`.
        origin: what the hash chains begin with.
        level_key: of the levels; None for those that everybody knows.
    """

    seats: tuple[Seat, ...]
    entry: SuiteEntry
    arguments: Mapping[str, Any]
    episodes: range
    seed: int
    origin: bytes
    level_key: int | None = None


def train_task(task: TrainTask) -> TrainedAgent:
    """Trains from the beginning, since a training that was taken up again would end otherwise.

    Raises:
        ALSError: the learner cannot be trained so.
    """
    from als_engine.agents.training import train_agent

    contestant, entry = task.contestant, task.entry
    curve: list[tuple[int, float]] = []

    def note(progress: Progress) -> None:
        apart = entry.steps / CURVE_POINTS
        late = not curve or progress.steps - curve[-1][0] >= apart
        known = progress.episodes >= MIN_EPISODES and not math.isnan(progress.mean_return)
        if known and (late or progress.steps >= entry.steps):
            curve.append((progress.steps, round(progress.mean_return, 6)))

    with temporary_folder("als-bench") as folder:
        trained = train_agent(
            entry.scenario,
            contestant.agent,
            steps=entry.steps,
            folder=folder / "training",
            observers=entry.observers,
            seed=task.seed,
            arguments=contestant.in_training(entry),
            config=contestant.config,
            # None is of use: a training that was interrupted begins anew.
            checkpoint_every=entry.steps,
            device="cpu",
            on_progress=note,
        )
        assert trained.folder is not None
        files = {path.name: path.read_bytes() for path in sorted(trained.folder.iterdir())}
    return TrainedAgent(
        files=_without_time(files),
        curve=tuple(curve),
        steps=trained.progress.steps + trained.progress.recorded,
        seconds=trained.seconds,
        attempts=task.attempts,
        demonstrated=trained.progress.demonstrated,
    )


def play_task(task: PlayTask) -> Chunk:
    """Plays some episodes.

    Raises:
        AgentFailure: the agent crashed, took too long or gave no actions.
        ALSError: the agent or the scenario cannot be made.
    """
    with ExitStack() as stack:
        agents = [
            stack.enter_context(open_seat(seat, task.entry.scenario, task.arguments))
            for seat in task.seats
        ]
        return play_seated(agents, task)


def play_seated(
    agents: Sequence[Agent], task: PlayTask, on_episode: Callable[[int], None] = lambda ended: None
) -> Chunk:
    """Plays some episodes with the agents of a task's seats."""
    from als_bench.running.playing import Setting, play

    setting = Setting(
        task.entry,
        task.arguments,
        task.entry.split,
        task.origin,
        seed=task.seed,
        level_key=task.level_key,
        scored=task.entry.observers if len(agents) == 1 else 1,
    )
    agent = agents[0] if len(agents) == 1 else Pair(*agents)
    return play(agent, setting, task.episodes, on_episode=on_episode)


@contextmanager
def open_seat(
    seat: Seat, scenario: str, arguments: Mapping[str, Any], **sandbox: Any
) -> Iterator[Agent]:
    """An agent that is ready to play; anybody's but the engine's own is kept in a sandbox.

    Args:
        seat: which agent.
        scenario: where it is to act.
        arguments: of the scenario, complete.
        sandbox: further keyword arguments of `SandboxedAgent`.
    """
    contestant = seat.contestant
    if contestant.agent in YARDSTICKS:
        if seat.files:
            raise ArgumentError(
                f'"{contestant.agent}" is a yardstick, which is never a saved agent'
            )
        # Experts and heuristics have to see the worlds, and nobody else's code is in yardsticks.
        yield make_agent(contestant.agent, scenario, arguments, contestant.config)
        return
    from als_bench.sandbox.agent import SandboxedAgent

    with SandboxedAgent(
        seat.files or None, contestant.agent, scenario, arguments, contestant.config, **sandbox
    ) as agent:
        yield agent


def _without_time(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files without how long the training took: the same training, the same bytes."""
    record = AgentRecord.model_validate_json(files[RECORD])
    assert record.training is not None
    timeless = record.model_copy(
        update={"training": record.training.model_copy(update={"seconds": 0.0})}
    )
    return {**files, RECORD: (timeless.model_dump_json(indent=2) + "\n").encode()}
