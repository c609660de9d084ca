"""The worlds of a study, one after the other, as one stage: each trial lays out its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from als_plugins.serve.opening import open_live

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from als_engine.simulation import Simulation
    from als_plugins.serve.orders import Order
    from als_plugins.serve.stage import LiveStage
    from als_plugins.serve.study.design import World

__all__ = ["StudyStage", "Trial"]


@dataclass(frozen=True)
class Trial:
    """An episode that a person is to play.

    Attributes:
        world: where.
        arguments: of the scenario on top of the world's own, such as its level.
        seed: that the world is reset with.
    """

    world: World
    arguments: Mapping[str, Any]
    seed: int


class Log:
    """What was done in the episode, step by step; a `Watch` of the stage."""

    def __init__(self) -> None:
        self.actions: list[Any] = []

    def begin(self, episode: int, seed: int) -> None:
        """Forgets the last one."""
        self.actions = []

    def step(self, actions: NDArray[Any], orders: Mapping[int, Order]) -> None:
        """Keeps a step."""
        self.actions.append(actions.tolist())

    def end(self) -> None:
        """Is asked for what it has kept when the episode is over."""


class StudyStage:
    """A stage whose world is another one in every trial.

    Attributes:
        log: the agents' and the person's actions in the trial.
    """

    length: int | None = None

    def __init__(self, first: Trial, opened: Callable[..., LiveStage] = open_live) -> None:
        """Opens the world of a trial, to be looked at while nothing happens yet."""
        self.log = Log()
        self._opened = opened
        self._inner: LiveStage | None = None
        self.use(first)

    def use(self, trial: Trial) -> None:
        """Lays out the world of a trial; in the thread of the world.

        Raises:
            ALSError: the scenario, an argument or the agent is not as it should be.
        """
        world = trial.world
        every = {**world.arguments, "split": world.split, **trial.arguments}
        inner = self._opened(world.scenario, world.agent, every, drive=world.drive, as_agents=True)
        inner.watch = self.log
        old, self._inner = self._inner, inner
        if old is not None:
            old.close()
        self._inner.begin(trial.seed)

    @property
    def _now(self) -> LiveStage:
        assert self._inner is not None
        return self._inner

    @property
    def simulation(self) -> Simulation:
        """The world of this trial."""
        return self._now.simulation

    @property
    def time_step(self) -> float:
        """Seconds."""
        return self._now.time_step

    @property
    def arguments(self) -> Mapping[str, Any]:
        """That it was made with."""
        return self._now.arguments

    @property
    def note(self) -> str:
        """What people should know."""
        return self._now.note

    @property
    def over(self) -> bool:
        """Whether the trial has come to its end."""
        return self._now.over

    def begin(self) -> None:
        """Does nothing: `use` begins."""

    def advance(self, orders: Mapping[int, Order]) -> None:
        """Makes a step."""
        self._now.advance(orders)

    def seek(self, step: int) -> None:
        """Does nothing: there is no time line."""

    def drivers(self) -> list[str]:
        """Who drives each avatar when no person does."""
        return self._now.drivers()

    def changes(self) -> dict[str, Any]:
        """What differs from the last call, by key of the board; None for what is gone."""
        return self._now.changes()

    def eyes(self, avatar: int, size: int | None = None) -> dict[str, Any] | None:
        """Nothing: a study shows what its conditions say."""
        return None

    def close(self) -> None:
        """Frees the world."""
        self._now.close()
