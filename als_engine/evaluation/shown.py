"""What a film shows beside the world: captions, the sensors' rays, rewards by term."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import one_of
from als_engine.render.captions import Caption, write
from als_engine.render.lines import draw_lines
from als_engine.render.reward_panel import reward_panel
from als_engine.sensors.camera import outlook, third_person
from als_engine.simulation import Captions, Simulation

__all__ = ["SHOWN", "Shown"]

SHOWN: Final = ("captions", "rays", "rewards")

_COLORS: Final = ((255, 224, 102), (102, 224, 255), (255, 140, 200), (150, 240, 140))
"""Of the rays of one sensor after the other."""

Picture = NDArray[np.uint8]


class Shown:
    """Everything that is added to the pictures of one simulation's first world."""

    def __init__(self, simulation: Simulation, what: Collection[str]) -> None:
        """Prepares; `what` are some of `SHOWN`.

        Raises:
            ArgumentError: one is unknown.
        """
        for name in what:
            one_of("show", name, SHOWN)
        self._simulation, self._what = simulation, frozenset(what)
        self._captions = Captions()
        self._sums: NDArray[np.float64] = np.zeros(len(simulation.scoring.reward_names))
        self._returns = [0.0]
        self._rays: list[Caption] = []

    def update(self) -> None:
        """Notes what is said and earned; call it once after every reset and step."""
        self._captions.update(self._simulation)
        scoring, driven = self._simulation.scoring, self._simulation.observers
        if not self._simulation.state.step[0]:
            self._sums[:] = 0.0
            self._returns = [0.0]
            return
        self._sums += scoring.terms[0, :driven].mean(axis=0)
        self._returns.append(float(scoring.returns[0, :driven].mean()))

    def outside(self, width: int, height: int) -> Picture:
        """The world from outside, with the sensors' rays if they are shown."""
        state = self._simulation.state
        if "rays" not in self._what:
            return third_person(state, 0, width, height)
        seen = outlook(state, 0, width, height)
        picture = seen.picture.copy()
        self._rays = []
        there = np.flatnonzero(state.avatars.present[0, : self._simulation.observers]).tolist()
        for sensor in self._simulation.observing.sensors:
            color = _COLORS[len(self._rays) % len(_COLORS)]
            rays = [sensor.rays(state, 0, avatar) for avatar in there]
            if any(map(len, rays)):
                draw_lines(seen, picture, np.concatenate(rays), color)
                self._rays.append(Caption("rays", ", ".join(sensor.enabled), color))
        return picture

    def captioned(self, picture: Picture, reserved: int = 0) -> Picture:
        """A picture with captions, if they are shown, and what the colours of rays mean."""
        if "captions" in self._what:
            return self._captions.draw(self._simulation, picture, reserved, self._rays)
        write(picture, self._rays, top=True, scale=1)
        return picture

    def beside(self, picture: Picture) -> Picture:
        """The picture with the rewards by term at its right, if they are shown."""
        if "rewards" not in self._what:
            return picture
        names = self._simulation.scoring.reward_names
        limit = self._simulation.state.max_episode_steps
        panel = reward_panel(picture.shape[0], names, self._sums, self._returns, limit)
        return np.concatenate([picture, panel], axis=1)
