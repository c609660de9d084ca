"""Films an agent while it plays: pictures from outside, through the avatar's eyes, or both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.agents.agent import Agent, acting
from als_engine.agents.masks import with_masks
from als_engine.checks import MAX_SEED, one_of, whole_number
from als_engine.evaluation.shown import Shown
from als_engine.render.video import Picture, inset
from als_engine.seeding import row_seeds, spread
from als_engine.sensors.base import Setup
from als_engine.sensors.camera import Camera
from als_engine.simulation import Simulation

VIEWS: Final = ("third", "first", "both")
WIDTH, HEIGHT = 480, 360
INSET_WIDTH, INSET_HEIGHT, INSET_MARGIN = 136, 102, 8
FRAMES_PER_SECOND: Final = 15
"""One frame for each step: a video runs as fast as the world does."""

_STILLS: Final = 8
"""How often the last picture of an episode is repeated, so that one can see how it ended."""


@dataclass(frozen=True)
class Take:
    """The result of a filmed episode.

    Attributes:
        seed: of the world. level: which one was laid out.
        length: steps.
        mean_return: sum of rewards, mean over the avatars that the agent drives.
        metrics: what the scenario says at the end, `success` among it.
    """

    seed: int
    level: int
    length: int
    mean_return: float
    metrics: Mapping[str, float]


class Film:
    """Plays episodes in one world and yields their pictures, uint8 (height, width, 3).

    Attributes:
        takes: the episodes that have ended so far.
    """

    def __init__(
        self,
        simulation: Simulation,
        agent: Agent,
        view: str = "third",
        show: Collection[str] = (),
    ) -> None:
        """Prepares to play; the simulation belongs to the film from now on.

        Args:
            simulation: one world; its observers are what the agent drives.
            agent: made for the simulation's spaces.
            view: "third", "first" (through the eyes of avatar 0) or "both".
            show: what is added to the pictures: some of "captions" (speech, sounds, rewards and
                metrics), "rays" (of the sensors, from outside) and "rewards" (by term, at the
                right).

        Raises:
            ArgumentError: there is no such view, or nothing of that name to show.
        """
        one_of("view", view, VIEWS)
        self.takes: list[Take] = []
        self._simulation, self._agent, self._view = simulation, agent, view
        self._shown = Shown(simulation, show)
        self._eyes: dict[tuple[int, int], Camera] = {}
        agent.attach(self)

    def expert_actions(self, rule: str | None = None) -> NDArray[Any]:
        """Returns the actions of the expert or of a heuristic, (rows, ...)."""
        actions: NDArray[Any] = self._simulation.expert_actions(rule)[0]
        return actions

    def episodes(
        self, seeds: Sequence[int], on_step: Callable[[], None] = lambda: None
    ) -> Iterator[Picture]:
        """Plays one episode for each seed.

        Args:
            seeds: of the world.
            on_step: called after every step.
        """
        for seed in [whole_number("seed", seed, 0, MAX_SEED) for seed in seeds]:
            yield from self._episode(seed, on_step)

    def _episode(self, seed: int, on_step: Callable[[], None]) -> Iterator[Picture]:
        simulation, agent = self._simulation, self._agent
        simulation.reset([seed])
        simulation.observe()
        self._shown.update()
        rows = np.ones(simulation.observers, np.bool_)
        agent.seed(spread("agent in a film", seed))
        memory = agent.restart(None, rows, row_seeds(seed, simulation.observers))
        picture = self.picture()
        while not (simulation.terminated[0] or simulation.truncated[0]):
            yield picture
            sensed = {key: array[0] for key, array in simulation.observations.items()}
            seen = with_masks(agent, sensed, lambda: simulation.action_masks()[0])
            actions, memory = agent.act(seen, memory, acting(agent) == "best")
            simulation.step(np.asarray(actions)[None])
            self._shown.update()
            picture = self.picture()
            on_step()
        for _ in range(_STILLS):
            yield picture
        self.takes.append(self._take(seed))

    def _take(self, seed: int) -> Take:
        simulation = self._simulation
        metrics = {
            name: float(values[0])
            for name, values in simulation.metrics().items()
            if values.ndim == 1
        }
        return Take(
            seed=seed,
            level=int(simulation.state.level[0]),
            length=int(simulation.state.step[0]),
            mean_return=float(simulation.returns[0, : simulation.observers].mean()),
            metrics=metrics,
        )

    def close(self) -> None:
        """Frees the world."""
        self._simulation.close()

    def picture(self) -> Picture:
        """The current picture of the chosen view, with all that is shown on it."""
        return self._shown.beside(self._framed())

    def _framed(self) -> Picture:
        if self._view == "first":
            return self._shown.captioned(self._own_view(WIDTH, HEIGHT))
        outside = self._shown.outside(WIDTH, HEIGHT)
        if self._view == "third":
            return self._shown.captioned(outside)
        outside = self._shown.captioned(outside, reserved=INSET_WIDTH + 2 * INSET_MARGIN)
        return inset(outside, self._own_view(INSET_WIDTH, INSET_HEIGHT), INSET_MARGIN)

    def _own_view(self, width: int, height: int) -> Picture:
        """Through the eyes of avatar 0, drawn twice as large and averaged."""
        state = self._simulation.state
        size = (2 * height, 2 * width)
        if size not in self._eyes:
            setup = Setup(state.num_worlds, state.num_avatars, observers=1, frame_size=size)
            self._eyes[size] = Camera(setup, ("rgb",))
        fine = np.empty((1, 1, *size, 3), np.uint8)
        self._eyes[size].read(state, {"rgb": fine})
        squares = fine[0, 0].reshape(height, 2, width, 2, 3)
        averaged: Picture = squares.mean(axis=(1, 3), dtype=np.float32).round().astype(np.uint8)
        return averaged
