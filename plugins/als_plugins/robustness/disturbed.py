"""An agent whose observations and actions are disturbed; whoever lets it act need not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, ExpertSource, Observation, acting
from als_engine.agents.disturbance import Arrays, SensorNoise, frames
from als_engine.agents.masks import ACTION_MASK
from als_engine.seeding import RowGenerators, spread

__all__ = ["Disturbance", "Disturbed", "sensors_of"]

USE: Final = "disturbance"
"""What the seeds of a row's disturbances are for: the agent draws from the row's seed itself."""

Left = frozenset[str]


@dataclass(frozen=True)
class Disturbance:
    """What is disturbed, and how much.

    Attributes:
        noise: deviation of Gaussian noise, as a part of each sensor's range.
        drop: probability that an observation is the last one again.
        missing: probability that a sensor is missing for an episode, each by itself; one is left.
        without: a sensor that is missing in all episodes.
        delay: steps between the choice of an action and its effect. Until the first one has its
            effect the avatar rests.
    """

    noise: float = 0.0
    drop: float = 0.0
    missing: float = 0.0
    without: str | None = None
    delay: int = 0


@dataclass
class _State:
    """What goes from step to step.

    Attributes:
        generators: of the disturbances in each row.
        left_out: which sensors are missing in each row.
        inner: the agent's own state for each set of sensors that are missing, of all rows: a row is
            played by the one of its set, and what the others make of it counts for nothing.
        begins: (rows,), in which no observation was seen yet.
        shown: what was seen last.
        waiting: (delay, rows, ...), actions that were chosen and have had no effect yet.
    """

    generators: list[np.random.Generator]
    left_out: list[Left]
    inner: dict[Left, Any] = field(default_factory=dict)
    begins: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    shown: Arrays = field(default_factory=dict)
    waiting: NDArray[Any] = field(default_factory=lambda: np.zeros(0))


def sensors_of(agent: Agent) -> list[str]:
    """The sensors that an agent acts by: one of a critic alone is not among them."""
    space = agent.observation_space
    read = getattr(agent, "network_space", lambda: space)().spaces
    return [key for key in space.spaces if key in read]


class Disturbed(Agent):
    """Shows an agent disturbed observations, and holds its actions up.

    What happens in a row depends on the row's seed alone, whatever the other rows do.

    Attributes:
        samples: true; the agent acts by the rule for itself.
    """

    samples = True

    def __init__(self, agent: Agent, disturbance: Disturbance, rest: NDArray[Any]) -> None:
        """Wraps an agent.

        Args:
            agent: who acts; bears missing sensors, where some shall be missing.
            disturbance: what is disturbed.
            rest: the action that does nothing.
        """
        super().__init__(agent.observation_space, agent.action_space)
        self.reads_masks = agent.reads_masks
        self._agent, self._by, self._rest = agent, disturbance, rest
        self._sensors = sensors_of(agent)
        self._noise = SensorNoise(agent.observation_space, disturbance.noise)
        self._rows = RowGenerators(spread(USE, 0))

    def attach(self, env: ExpertSource) -> None:
        """Passes the environment on."""
        self._agent.attach(env)

    def seed(self, seed: int) -> None:
        """Seeds the agent, and what is disturbed in rows without a seed of their own."""
        self._agent.seed(seed)
        self._rows = RowGenerators(spread(USE, seed))

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Lets the agent choose by what it sees, and returns what has its effect now."""
        rows = len(next(iter(observation.values())))
        now: _State = self.restart(None, np.ones(rows, np.bool_)) if state is None else state
        seen = self._sense(observation, now)
        best = acting(self._agent, deterministic) == "best"
        chosen: NDArray[Any] | None = None
        for left in dict.fromkeys(now.left_out):
            there = {key: array for key, array in seen.items() if key not in left}
            actions, now.inner[left] = self._agent.act(there, now.inner.get(left), best)
            if chosen is None:
                chosen = np.zeros_like(actions)
            mine = np.array([each == left for each in now.left_out])
            chosen[mine] = actions[mine]
        assert chosen is not None
        if not self._by.delay:
            return chosen, now
        queue = np.concatenate([now.waiting.astype(chosen.dtype), chosen[None]])
        now.waiting = queue[1:]
        return queue[0], now

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Draws anew which sensors are missing in rows that begin, and empties their queues."""
        count, begun = len(rows), np.flatnonzero(rows).tolist()
        given = None if seeds is None else [spread(USE, seed) for seed in seeds]
        before = (
            _State(self._rows.of(None, count), [frozenset()] * count) if state is None else state
        )
        now = _State(self._rows.restarted(before.generators, rows, given), list(before.left_out))
        for row in begun:
            now.left_out[row] = self._left_out(now.generators[row])
        # Sets that no row has any more are forgotten.
        now.inner = {left: before.inner.get(left) for left in dict.fromkeys(now.left_out)}
        for left, own in now.inner.items():
            mine = rows & np.array([each == left for each in now.left_out])
            if mine.any():
                theirs = None if seeds is None else [
                    seed for row, seed in zip(begun, seeds, strict=True) if mine[row]
                ]  # fmt: skip
                now.inner[left] = self._agent.restart(own, mine, theirs)
        now.begins = rows | before.begins if len(before.begins) else rows.copy()
        now.shown, resting = before.shown, np.broadcast_to(self._rest, (count, *self._rest.shape))
        shape = (self._by.delay, *resting.shape)
        now.waiting = np.broadcast_to(resting, shape).copy() if state is None else before.waiting
        now.waiting[:, rows] = self._rest
        return now

    def _left_out(self, rng: np.random.Generator) -> Left:
        if self._by.without is not None:
            return frozenset([self._by.without])
        if not self._by.missing:
            return frozenset()
        gone = rng.random(len(self._sensors)) < self._by.missing
        if gone.all():
            gone[rng.integers(len(gone))] = False
        return frozenset(key for key, lost in zip(self._sensors, gone, strict=True) if lost)

    def _sense(self, observation: Observation, now: _State) -> Arrays:
        """What the agent is shown; masks are no sensor, and are as they are."""
        sensed = {key: array for key, array in observation.items() if key != ACTION_MASK}
        seen = self._noise.add(
            sensed,
            lambda shape: np.stack([rng.standard_normal(shape[1:], np.float32)
                                    for rng in now.generators]),
        )  # fmt: skip
        if self._by.drop:
            drawn = np.array([rng.random() for rng in now.generators])
            kept = ~now.begins & (drawn < self._by.drop)
            seen = frames(seen, now.shown or seen, kept)
            now.shown = seen
        now.begins = np.zeros_like(now.begins)
        return seen | {key: observation[key] for key in observation.keys() - sensed.keys()}
