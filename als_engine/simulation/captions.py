"""Collects what captions show of a world: speech, sounds, rewards and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.render.captions import Caption, write
from als_engine.simulation.core import Simulation

__all__ = ["Captions"]

SHOWN_AT_LEAST: Final = 1.5
SHOWN_PER_CHARACTER: Final = 0.06
"""For how many seconds speech stays: a step is too short to read anything."""
_GREY: Final = (196, 200, 206)
_SOUND: Final = (250, 214, 120)
_MOST_AVATARS: Final = 4


class Captions:
    """The captions of one world of a simulation, step by step.

    Below stand speech, with the speaker's name in its colour, and the sounds that are on; above
    stand the last rewards, by term where there are several, the returns, and the metrics.
    """

    def __init__(self, world: int = 0) -> None:
        self._world = world
        # Avatar to what it said last and the step until which that is shown.
        self._said: dict[int, tuple[str, int]] = {}

    def update(self, simulation: Simulation) -> None:
        """Notes what is said now; call it after every reset and step."""
        state, world = simulation.state, self._world
        step = int(state.step[world])
        if step == 0:
            self._said.clear()
        for avatar, phrase in enumerate(state.avatars.utterance[world].tolist()):
            if phrase >= 0:
                text = state.utterances[phrase]
                seconds = max(SHOWN_AT_LEAST, SHOWN_PER_CHARACTER * len(text))
                self._said[avatar] = (text, step + round(seconds / state.time_step))
        self._said = {avatar: said for avatar, said in self._said.items() if said[1] > step}

    def draw(
        self,
        simulation: Simulation,
        picture: NDArray[np.uint8],
        reserved: int = 0,
        more: Sequence[Caption] = (),
    ) -> NDArray[np.uint8]:
        """A copy of the picture with the captions.

        Args:
            simulation: as it is now.
            picture: uint8 (height, width, 3).
            reserved: pixels at the lower right that stay free.
            more: further captions for the top.
        """
        out = picture.copy()
        scale = max(1, picture.shape[1] // 480)
        write(out, [*self._figures(simulation), *more], top=True, scale=scale, most=8)
        write(out, [*self._heard(simulation)], scale=2 * scale, reserved=reserved, most=5)
        return out

    def _heard(self, simulation: Simulation) -> Iterator[Caption]:
        state, world = simulation.state, self._world
        for i, name in enumerate(state.sounds.names):
            if state.sounds.on[world, i]:
                yield Caption(state.sounds.text[world][i] or "♪", name, _SOUND)
        for avatar, (text, _) in self._said.items():
            yield Caption(text, simulation.agents[avatar], self._color(simulation, avatar))

    def _figures(self, simulation: Simulation) -> Iterator[Caption]:
        world, scoring = self._world, simulation.scoring
        for avatar in range(min(simulation.observers, _MOST_AVATARS)):
            terms = zip(scoring.reward_names, scoring.terms[world, avatar].tolist(), strict=True)
            parts = [f"{name} {value:+.2f}" for name, value in terms if scoring.has_terms]
            total = f"reward {scoring.rewards[world, avatar]:+.2f}"
            if parts:
                total = f"{total} = {', '.join(parts)}"
            text = f"{total}; return {scoring.returns[world, avatar]:.2f}"
            yield Caption(text, simulation.agents[avatar], self._color(simulation, avatar))
        values = simulation.metrics().items()
        shown = [f"{name} {_figure(v[world])}" for name, v in values if v.ndim == 1]
        yield Caption(", ".join(shown), "metrics", _GREY)

    def _color(self, simulation: Simulation, avatar: int) -> tuple[int, int, int]:
        red, green, blue = simulation.state.avatars.color[self._world, avatar].tolist()
        return red, green, blue


def _figure(value: np.generic) -> str:
    if isinstance(value, np.bool_):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, np.floating) else f"{value}"
