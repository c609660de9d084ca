"""Episodes as files, and the stage that shows them again.

A file holds what an episode follows from: the scenario and its arguments, the seed, what the agent
did and what persons wanted. The world is simulated again, and ends in the same state to the last
bit, which the file's digest proves. It is JSON, and nothing in it is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue, ValidationError

from als_engine.agents.saving import NOT_SAVED
from als_engine.errors import ALSError, SavedFileError
from als_engine.limits import MAX_SEED, OBSERVERS
from als_engine.models import Model, Name
from als_engine.system.files import write_text
from als_engine.system.safe_files import read_bytes
from als_plugins.serve.describing import Describer
from als_plugins.serve.eyes import eyes
from als_plugins.serve.figures import Figures
from als_plugins.serve.orders import Guests, Order
from als_plugins.serve.stage import drivers_of

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["Episode", "Recorder", "ReplayStage", "episode_files", "is_recording", "open_recording"]

_NAME: Final = "episode-{:05d}.json"
_LARGEST: Final = 64 << 20
_STEPS: Final = 200_000

Share = Annotated[float, Field(ge=-1.0, le=1.0)]


class OrderRecord(Model):
    """An `Order` in a file; what is as it is without it is left out."""

    forward: Share = 0.0
    left: Share = 0.0
    turn: Share = 0.0
    face: float | None = None
    hand: int = Field(default=0, ge=0, le=3)
    say: int = Field(default=-1, ge=-1, le=1_100)
    work: dict[Name, Annotated[int, Field(ge=0, le=1_000)]] = Field(
        default_factory=dict, max_length=20
    )


class Episode(Model):
    """Schema of an episode's file.

    Attributes:
        format: the version of this format.
        scenario: registered id. arguments: of the scenario. observers: whom the agent drives.
        driver: what people call the agent.
        seed: that the world was reset with. level: that it laid out.
        actions: of the agent, step by step.
        orders: of persons, by step and avatar; steps in which nobody wants anything are left out.
        digest: of the world's state at the end.
    """

    format: Literal[1] = 1
    scenario: Name
    arguments: dict[Name, JsonValue] = Field(default_factory=dict, max_length=50)
    observers: int = Field(ge=1, le=OBSERVERS)
    driver: str = Field(max_length=300)
    seed: int = Field(ge=0, le=MAX_SEED)
    level: int = Field(ge=0, le=MAX_SEED)
    actions: list[list[JsonValue]] = Field(max_length=_STEPS)
    orders: dict[int, dict[int, OrderRecord]] = Field(default_factory=dict)
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Recorder:
    """Writes a file for each episode of a stage."""

    def __init__(
        self, folder: Path, simulation: Simulation, driver: str, arguments: Mapping[str, Any]
    ) -> None:
        """Begins with no episode.

        Args:
            folder: new or empty.
            simulation: what is recorded.
            driver: what people call the agent.
            arguments: that the simulation was made with.

        Raises:
            SavedFileError: the folder holds files, or cannot be made.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SavedFileError(f"{folder} holds other files: name a new or empty folder")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._driver, self._written = folder, driver, 0
        self.use(simulation, arguments)

    def use(self, simulation: Simulation, arguments: Mapping[str, Any]) -> None:
        """Records another world from the next episode on.

        Args:
            simulation: of the same scenario.
            arguments: that it was made with.
        """
        self._simulation = simulation
        self._arguments = {**arguments, "physics": simulation.physics}

    def begin(self, episode: int, seed: int) -> None:
        """An episode has begun."""
        self._seed, self._actions = seed, list[Any]()
        self._orders: dict[int, dict[int, dict[str, Any]]] = {}

    def step(self, actions: NDArray[Any], orders: Mapping[int, Order]) -> None:
        """Keeps a step."""
        if orders:
            kept = {avatar: _sparse(order) for avatar, order in orders.items()}
            self._orders[len(self._actions)] = kept
        self._actions.append(actions.tolist())

    def end(self) -> None:
        """Writes the episode, whole or not at all; one without a step is left out.

        Raises:
            OSError: the disk is full, or the folder is gone.
        """
        if not self._actions:
            return
        state = self._simulation.state
        record = Episode(
            scenario=self._simulation.scenario,
            arguments=self._arguments,
            observers=self._simulation.observers,
            driver=self._driver,
            seed=self._seed,
            level=int(state.level[0]),
            actions=self._actions,
            orders=self._orders,  # type: ignore[arg-type]
            digest=state.digest(0).hex(),
        )
        self._written += 1
        text = record.model_dump_json(exclude_defaults=True)
        write_text(self._folder / _NAME.format(self._written), text + "\n")
        self._actions = []


def _sparse(order: Order) -> dict[str, Any]:
    """An order without what says nothing."""
    return {name: value for name, value in asdict(order).items() if value != getattr(Order(), name)}


def is_recording(path: Path) -> bool:
    """Whether there is an episode's file of that name, or a folder of some."""
    return bool(episode_files(path))


def episode_files(path: Path) -> list[Path]:
    """The files of a recording, in order."""
    if path.is_dir():
        return sorted(path.glob("episode-*.json"))
    return [path] if path.suffix == ".json" and path.is_file() else []


def read_episode(path: Path) -> Episode:
    """Reads and checks an episode's file.

    Raises:
        SavedFileError: it is damaged, or something else.
    """
    try:
        episode = Episode.model_validate_json(read_bytes(path, _LARGEST))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SavedFileError(f"{path} is no recorded episode: {where}: {first['msg']}") from None
    odd = sorted((NOT_SAVED - {"split", "level"}) & set(episode.arguments))
    if odd:
        raise SavedFileError(f'{path}: "{odd[0]}" does not belong to a recorded episode')
    return episode


def open_recording(path: Path) -> ReplayStage:
    """Opens a recording.

    Raises:
        SavedFileError: it is damaged, or its world cannot be made.
    """
    return ReplayStage(episode_files(path))


class ReplayStage:
    """Episodes that have happened; the same worlds, made again."""

    def __init__(self, paths: list[Path]) -> None:
        """Opens the first.

        Raises:
            SavedFileError: it cannot be read, or its world cannot be made.
        """
        self._paths, self.note, self.episode = paths, "", -1
        self.length: int | None = 0
        self._at, self._guests = 0, Guests()
        self.simulation = _world(paths[0], read_episode(paths[0]))
        self.time_step = self.simulation.state.time_step
        self._describer = Describer(self.simulation.state)
        self._figures = Figures(self.simulation)

    @property
    def over(self) -> bool:
        """Whether the last recorded step has been shown."""
        return self._left() == 0

    def _left(self) -> int:
        return max(0, len(self._record.actions) - self._at)

    def begin(self) -> None:
        """Shows the next episode, after the last one the first again.

        Raises:
            SavedFileError: it cannot be read, or is of another world than the first.
        """
        self.episode = (self.episode + 1) % len(self._paths)
        path = self._paths[self.episode]
        record = read_episode(path)
        if record.scenario != self.simulation.scenario:
            raise SavedFileError(f"{path} is of {record.scenario}: open it by itself")
        self._record, self.length = record, len(record.actions)
        self._rewind()

    def _rewind(self) -> None:
        self._at, self.note = 0, ""
        try:
            self.simulation.reset([self._record.seed])
        except ALSError as error:
            raise SavedFileError(f"{self._paths[self.episode]}: {error}") from None
        self._figures.begin()

    def advance(self, orders: Mapping[int, Order]) -> None:
        """Makes the next step as it was; nobody can join a recording."""
        if self.over:
            return
        record, simulation = self._record, self.simulation
        wanted = record.orders.get(self._at, {})
        self._guests.orders = {
            avatar: Order(**order.model_dump()) for avatar, order in wanted.items()
        }
        who = np.zeros((1, simulation.num_avatars), np.bool_)
        who[0, [avatar for avatar in wanted if avatar < simulation.num_avatars]] = True
        simulation.seat(self._guests.act if wanted else None, who)
        simulation.advance(np.asarray([record.actions[self._at]], simulation.action_space.dtype))
        self._at += 1
        self._figures.note()
        if not self._left() and simulation.state.digest(0).hex() != record.digest:
            self.note = "this is not what was recorded: the engine or the scenario has changed"

    def seek(self, step: int) -> None:
        """Goes to a step: on from here, or again from the beginning."""
        if step < self._at:
            self._rewind()
        while self._at < step and not self.over:
            self.advance({})

    def drivers(self) -> list[str]:
        """Who drove each avatar."""
        persons = {avatar for step in self._record.orders.values() for avatar in step}
        found = drivers_of(self.simulation, self._record.driver)
        return [f"{name} or a person" if i in persons else name for i, name in enumerate(found)]

    def changes(self) -> dict[str, Any]:
        """What differs from the last call, by key of the board; None for what is gone."""
        return {**self._describer.changes(), **self._figures.changes()}

    def eyes(self, avatar: int, size: int | None = None) -> dict[str, Any] | None:
        """What an avatar saw; where its attention went was not recorded."""
        if avatar >= self.simulation.num_avatars:
            return None
        picture = eyes(self.simulation, avatar, size)
        return {"picture": picture, "why_not": "a recording holds no agent that could be asked"}

    def close(self) -> None:
        """Frees the world."""
        self.simulation.close()


def _world(path: Path, record: Episode) -> Simulation:
    from als_engine.physics.engines import preload
    from als_engine.simulation import simulate

    arguments: dict[str, Any] = {**record.arguments, "sensors": ["proprioception"]}
    try:
        preload(arguments)
        return simulate(record.scenario, 1, record.observers, **arguments)
    except Exception as error:
        reason = str(error) if isinstance(error, ALSError) else f"{type(error).__name__}: {error}"
        raise SavedFileError(f"{path}: {' '.join(reason.split())[:500]}") from None
