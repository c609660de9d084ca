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
from als_plugins.serve.orders import Guests, Order, Powers

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

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
        time_step: seconds.
        length: steps of the episode, where that is known beforehand; None for a live one.
        note: what people should know, in one line; empty for nothing.
    """

    time_step: float
    length: int | None
    note: str

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
    """A world in which an agent acts, and persons do."""

    def __init__(
        self,
        simulation: Simulation,
        agent: Agent,
        label: str,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> None:
        """Prepares; `begin` lays out the first level.

        Args:
            simulation: one world; its observers are what the agent drives. It belongs to the stage.
            agent: made for the simulation's spaces.
            label: what people call the agent.
            seed: of the episodes.
            watch: is told what happens.
        """
        self.simulation, self._agent, self._label, self._seed = simulation, agent, label, seed
        self.length: int | None = None
        self.time_step = simulation.state.time_step
        self.note, self.episode = "", -1
        self.powers = Powers(simulation)
        self._watch, self._guests = watch, Guests()
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

    def begin(self) -> None:
        """Begins the next episode, on a new level."""
        if self._watch is not None and self.episode >= 0:
            self._watch.end()
        self.episode += 1
        self.note, self._broken = "", False
        seed = spread("serving", self._seed, self.episode)
        simulation, agent = self.simulation, self._agent
        simulation.reset([seed])
        simulation.observe()
        agent.seed(spread("agent while serving", seed))
        rows = np.ones(simulation.observers, np.bool_)
        self._memory = agent.restart(None, rows, row_seeds(seed, simulation.observers))
        self._crashed = False
        self._figures.begin()
        if self._watch is not None:
            self._watch.begin(self.episode, seed)

    def advance(self, orders: Mapping[int, Order]) -> None:
        """Makes a step. An agent that fails rests; a world that breaks ends its episode.

        Raises:
            ALSError: three worlds in a row have broken.
        """
        if self.over:
            return
        self._seat(orders)
        actions = self._actions()
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
        if self._watch is not None:
            self._watch.step(actions[0], orders)

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
        if self._watch is not None and self.episode >= 0:
            self._watch.end()
        self.simulation.close()
