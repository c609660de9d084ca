"""One world that people watch: who acts in it, episode after episode, step by step.

A stage waits for nobody and knows of no client: it is told what persons want, makes a step, and
says what there is to see. Whether anybody looks changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, acting
from als_engine.agents.masks import with_masks
from als_engine.errors import ALSError
from als_engine.seeding import row_seeds, spread
from als_engine.texts import one_line
from als_plugins.serve.describing import Describer
from als_plugins.serve.eyes import Attention, eyes
from als_plugins.serve.figures import Figures
from als_plugins.serve.orders import AsAgents, Guests, Order, Powers

if TYPE_CHECKING:
    from als_engine.simulation import Simulation
    from als_plugins.serve.teaching.lessons import Lessons

__all__ = ["LiveStage", "Stage", "Watch", "drivers_of"]

_TROUBLES: Final = 3
"""Episodes in a row that break before the stage gives up."""


class Watch(Protocol):
    """Called with what happens on a stage; see `recording.py`."""

    def begin(self, episode: int, seed: int) -> None:
        """An episode has begun."""

    def step(self, actions: NDArray[Any], orders: Mapping[int, Order]) -> None:
        """A step was made."""

    def end(self) -> None:
        """The episode is over."""


class Stage(Protocol):
    """What a show is made of, live or recorded.

    Attributes:
        length: steps of the episode, where that is known beforehand; None for a live one.
    """

    length: int | None

    @property
    def time_step(self) -> float:
        """Seconds."""

    @property
    def simulation(self) -> Simulation | None:
        """The worlds; None where another process has them."""

    @property
    def note(self) -> str:
        """What people should know, in one line; empty for nothing."""

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""

    def begin(self) -> None:
        """Begins the next episode."""

    def advance(self, orders: Mapping[int, Order]) -> None:
        """Makes a step; persons drive the avatars that have orders."""

    def seek(self, step: int) -> None:
        """Goes to a step of the episode, if it is recorded."""

    def drivers(self) -> list[str]:
        """Who drives each avatar when no person does."""

    def changes(self) -> dict[str, Any]:
        """What differs from the last call, by key of the board; None for what is gone."""

    def eyes(self, avatar: int, size: int | None = None) -> dict[str, Any] | None:
        """What an avatar sees and attends to; None where that is not known: see `eyes.py`."""

    def close(self) -> None:
        """Frees the world."""


def drivers_of(simulation: Simulation, label: str, world: int = 0) -> list[str]:
    """Who drives each avatar of a world: a scripted behaviour, or whoever has the label."""
    names = list(simulation.company.behaviours)
    behaviour = simulation.state.behaviour[world].tolist()
    return [names[which] if which >= 0 else label for which in behaviour]


class LiveStage:
    """A world in which an agent acts, and persons do.

    Attributes:
        arguments: that the simulation was made with, for whoever has to make it again.
        lessons: what keeps what persons teach; None where nobody does.
        teachers: avatar to who drives it and teaches, by pseudonym.
    """

    def __init__(
        self,
        simulation: Simulation,
        agent: Agent,
        label: str,
        seed: int = 0,
        watch: Watch | None = None,
        *,
        as_agents: bool = False,
    ) -> None:
        """Prepares; `begin` lays out the first level.

        Args:
            simulation: one world; its observers are what the agent drives. It belongs to the stage.
            agent: made for the simulation's spaces.
            label: what people call the agent.
            seed: of the episodes.
            watch: is told what happens.
            as_agents: whether persons who drive the agent's avatars act by its actions.
        """
        self.simulation, self._agent, self._label, self._seed = simulation, agent, label, seed
        self.length: int | None = None
        self.time_step = simulation.state.time_step
        self.note, self.episode = "", -1
        self.powers = Powers(simulation)
        self.arguments: Mapping[str, Any] = {}
        self.lessons: Lessons | None = None
        self.teachers: Mapping[int, str] = {}
        self.watch, self._guests = watch, Guests()
        self._own = AsAgents(simulation) if as_agents else None
        self._seated: frozenset[int] = frozenset()
        self._memory: Any = None
        self._troubles, self._broken, self._crashed = 0, False, False
        self._describer = Describer(simulation.state)
        self._figures = Figures(simulation)
        self._attention = Attention(simulation, agent)
        agent.attach(self)

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the actions of the expert or of a heuristic, (rows, ...)."""
        actions: NDArray[Any] = self.simulation.expert_actions(rule)[0]
        return actions

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        simulation = self.simulation
        return bool(self._broken or simulation.terminated[0] or simulation.truncated[0])

    def begin(self, seed: int | None = None) -> None:
        """Begins the next episode, on a new level.

        Args:
            seed: that the world is reset with; None for the next of the stage's own.
        """
        self._end()
        self.episode += 1
        self.note, self._broken = "", False
        if seed is None:
            seed = spread("serving", self._seed, self.episode)
        self.simulation.reset([seed])
        self.simulation.observe()
        self._world_seed = seed
        self._awake(self._agent)
        self._figures.begin()
        if self.lessons is not None:
            self.lessons.begin(self.episode, seed)
        if self.watch is not None:
            self.watch.begin(self.episode, seed)

    def _end(self) -> None:
        """The episode is over, if there was one."""
        if self.episode >= 0 and self.lessons is not None:
            self.lessons.end()
        if self.episode >= 0 and self.watch is not None:
            self.watch.end()

    def _awake(self, agent: Agent) -> None:
        """Lets an agent begin, with nothing to remember."""
        seed, observers = self._world_seed, self.simulation.observers
        agent.seed(spread("agent while serving", seed))
        rows = np.ones(observers, np.bool_)
        self._memory, self._crashed = agent.restart(None, rows, row_seeds(seed, observers)), False

    def take_agent(self, agent: Agent, label: str) -> None:
        """Lets another agent act from the next step on.

        Args:
            agent: made for the simulation's spaces.
            label: what people call it.
        """
        agent.attach(self)
        self._agent, self._label = agent, label
        self._awake(agent)

    def advance(self, orders: Mapping[int, Order]) -> None:
        """Makes a step. An agent that fails rests; a world that breaks ends its episode.

        Raises:
            ALSError: three worlds in a row have broken.
        """
        if self.over:
            return
        lessons, teachers = self.lessons, self.teachers
        seen = None if lessons is None else lessons.observe(teachers)
        proposed = actions = self._actions()
        own: dict[int, Order] = {}
        if self._own is not None:
            own = {i: order for i, order in orders.items() if i < self.simulation.observers}
            actions = self._own.write(own, proposed)
            orders = {i: order for i, order in orders.items() if i not in own}
        self._seat(orders)
        try:
            self.simulation.step(actions)
            self._troubles = 0
        except Exception as error:
            self._troubles += 1
            self._broken = True
            self.note = f"the world broke: {one_line(error)[:200]}"
            if self._troubles >= _TROUBLES:
                raise
            return
        self._figures.note()
        if lessons is not None and seen is not None:
            lessons.step(seen, proposed[0], actions[0], teachers, frozenset(own))
        if self.watch is not None:
            self.watch.step(actions[0], orders)

    def _seat(self, orders: Mapping[int, Order]) -> None:
        self._guests.orders = orders
        if frozenset(orders) != self._seated:
            self._seated = frozenset(orders)
            who = np.zeros((1, self.simulation.num_avatars), np.bool_)
            who[0, list(orders)] = True
            self.simulation.seat(self._guests.act if orders else None, who)

    def _actions(self) -> NDArray[Any]:
        """What the agent does, (1, observers, ...)."""
        simulation, agent = self.simulation, self._agent
        if not self._crashed:
            try:
                sensed = {key: array[0] for key, array in simulation.observations.items()}
                seen = with_masks(agent, sensed, lambda: simulation.action_masks()[0])
                actions, self._memory = agent.act(seen, self._memory, acting(agent) == "best")
                return np.asarray(actions)[None]
            except Exception as error:
                self._crashed = True
                what = str(error) if isinstance(error, ALSError) else repr(error)
                self.note = f"{self._label} has failed and rests: {one_line(what)[:200]}"
        acting_ = simulation.acting
        return acting_.codec.encode(acting_.new_commands(), simulation.observers)

    def seek(self, step: int) -> None:
        """Does nothing: what has not happened yet cannot be looked at."""

    def drivers(self) -> list[str]:
        """Who drives each avatar when no person does."""
        return drivers_of(self.simulation, self._label)

    def changes(self) -> dict[str, Any]:
        """What differs from the last call, by key of the board; None for what is gone."""
        return {**self._describer.changes(), **self._figures.changes()}

    def eyes(self, avatar: int, size: int | None = None) -> dict[str, Any] | None:
        """What an avatar sees and attends to; None for one that there is not."""
        if avatar >= self.simulation.num_avatars:
            return None
        picture = eyes(self.simulation, avatar, size)
        if size is not None:
            return {"picture": picture}
        if avatar in self._seated:
            return {"picture": picture, "why_not": "a person drives it"}
        return {"picture": picture, **self._attention.of(avatar)}

    def close(self) -> None:
        """Frees the world, and ends what is being recorded."""
        self._end()
        self.simulation.close()
