"""What is written beside the world: speech, sounds, instructions, rewards by term, metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from als_engine.render.scene import RULES
from als_engine.sensors.audio import voices
from als_engine.simulation.captions import SHOWN_AT_LEAST, SHOWN_PER_CHARACTER
from als_engine.task import split_of

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["Figures"]


class Figures:
    """The figures of one world of a simulation, as keys and values of the board."""

    def __init__(self, simulation: Simulation, world: int = 0) -> None:
        """Looks at a world of a simulation."""
        self._simulation, self._number = simulation, world
        self._voices = voices(len(simulation.state.utterances)).round(3).tolist()
        self.begin()

    def begin(self) -> None:
        """An episode has begun: nobody has said anything."""
        # Avatar to the sentence that it said last, when, and the step until which that is shown.
        self._said: dict[int, tuple[int, int, int]] = {}

    def note(self) -> None:
        """Notes what was said; call it after every step."""
        state = self._simulation.state
        step = int(state.step[self._number])
        for avatar, phrase in enumerate(state.avatars.utterance[self._number].tolist()):
            if phrase >= 0:
                text = state.utterances[phrase]
                seconds = max(SHOWN_AT_LEAST, SHOWN_PER_CHARACTER * len(text))
                self._said[avatar] = (phrase, step, step + round(seconds / state.time_step))
        self._said = {avatar: said for avatar, said in self._said.items() if said[2] > step}

    def changes(self) -> dict[str, Any]:
        """All figures as they are now; None for speech and sounds that are over."""
        return {
            **self._world(), **self._words(), **self._scores(), "step": self._step,
        }  # fmt: skip

    @property
    def _step(self) -> int:
        return int(self._simulation.state.step[self._number])

    def _world(self) -> dict[str, Any]:
        simulation, state = self._simulation, self._simulation.state
        level = int(state.level[self._number])
        world = {
            "scenario": simulation.scenario,
            "level": level,
            "split": split_of(level),
            "limit": int(state.max_episode_steps),
            "bounds": [round(value, 3) for value in state.bounds[self._number].tolist()],
            "time_step": state.time_step,
            # Where a part of a body has its second and third colour.
            "rules": RULES.round(4).tolist(),
        }
        return {"world": world}

    def _words(self) -> dict[str, Any]:
        state, world, found = self._simulation.state, self._number, dict[str, Any]()
        for avatar, told in enumerate(state.instructions[world]):
            held = int(state.avatars.held[world, avatar])
            found[f"said.{avatar}"] = None
            if avatar in self._said:
                phrase, step, _ = self._said[avatar]
                text, bands = state.utterances[phrase], self._voices[phrase]
                found[f"said.{avatar}"] = {"text": text, "step": step, "bands": bands}
            found[f"told.{avatar}"] = told or None
            found[f"holds.{avatar}"] = state.props.names[held] if held >= 0 else None
        for i, name in enumerate(state.sounds.names):
            on = bool(state.sounds.on[world, i])
            at = [round(value, 2) for value in state.sounds.position[world, i].tolist()]
            bands = state.sounds.bands[world, i].round(4).tolist()
            sound = {"name": name, "text": state.sounds.text[world][i], "at": at, "bands": bands}
            found[f"sound.{i}"] = sound if on else None
        return found

    def _scores(self) -> dict[str, Any]:
        scoring, world, found = self._simulation.scoring, self._number, dict[str, Any]()
        for avatar in range(self._simulation.num_avatars):
            terms = zip(scoring.reward_names, scoring.terms[world, avatar].tolist(), strict=True)
            found[f"score.{avatar}"] = {
                "reward": _figure(scoring.rewards[world, avatar]),
                "return": _figure(scoring.returns[world, avatar]),
                "terms": {name: _figure(value) for name, value in terms},
            }
        metrics = self._simulation.metrics().items()
        found["metrics"] = {
            name: _figure(values[world])
            for name, values in metrics
            if values.ndim == 1 and name != "level"
        }
        return found


def _figure(value: Any) -> float | int | bool | None:
    """A number of JSON: with three decimals, and None where it is not finite."""
    if not isinstance(value, float):
        value = value.item()
    if isinstance(value, float):
        return round(value, 3) + 0.0 if math.isfinite(value) else None
    return value  # type: ignore[no-any-return]
