"""What is written beside the world: speech, sounds, instructions, rewards by term, metrics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from als_engine.render.scene import RULES
from als_engine.simulation.captions import SHOWN_AT_LEAST, SHOWN_PER_CHARACTER
from als_engine.task import split_of

if TYPE_CHECKING:
    from als_engine.simulation import Simulation

__all__ = ["Figures"]


class Figures:
    """The figures of world 0 of a simulation, as keys and values of the board."""

    def __init__(self, simulation: Simulation) -> None:
        """Looks at a simulation."""
        self._simulation = simulation
        self.begin()

    def begin(self) -> None:
        """An episode has begun: nobody has said anything."""
        # Avatar to what it said last, when, and the step until which that is shown.
        self._said: dict[int, tuple[str, int, int]] = {}

    def note(self) -> None:
        """Notes what was said; call it after every step."""
        state = self._simulation.state
        step = int(state.step[0])
        for avatar, phrase in enumerate(state.avatars.utterance[0].tolist()):
            if phrase >= 0:
                text = state.utterances[phrase]
                seconds = max(SHOWN_AT_LEAST, SHOWN_PER_CHARACTER * len(text))
                self._said[avatar] = (text, step, step + round(seconds / state.time_step))
        self._said = {avatar: said for avatar, said in self._said.items() if said[2] > step}

    def changes(self) -> dict[str, Any]:
        """All figures as they are now; None for speech and sounds that are over."""
        return {
            **self._world(), **self._words(), **self._scores(), "step": self._step,
        }  # fmt: skip

    @property
    def _step(self) -> int:
        return int(self._simulation.state.step[0])

    def _world(self) -> dict[str, Any]:
        simulation, state = self._simulation, self._simulation.state
        level = int(state.level[0])
        world = {
            "scenario": simulation.scenario,
            "level": level,
            "split": split_of(level),
            "limit": int(state.max_episode_steps),
            "bounds": [round(value, 3) for value in state.bounds[0].tolist()],
            "time_step": state.time_step,
            # Where a part of a body has its second and third colour.
            "rules": RULES.round(4).tolist(),
        }
        return {"world": world}

    def _words(self) -> dict[str, Any]:
        state, found = self._simulation.state, dict[str, Any]()
        for avatar, told in enumerate(state.instructions[0]):
            held = int(state.avatars.held[0, avatar])
            said = self._said.get(avatar)
            found[f"said.{avatar}"] = {"text": said[0], "step": said[1]} if said else None
            found[f"told.{avatar}"] = told or None
            found[f"holds.{avatar}"] = state.props.names[held] if held >= 0 else None
        for i, name in enumerate(state.sounds.names):
            on = bool(state.sounds.on[0, i])
            at = [round(value, 2) for value in state.sounds.position[0, i].tolist()]
            sound = {"name": name, "text": state.sounds.text[0][i], "at": at}
            found[f"sound.{i}"] = sound if on else None
        return found

    def _scores(self) -> dict[str, Any]:
        scoring, found = self._simulation.scoring, dict[str, Any]()
        for avatar in range(self._simulation.num_avatars):
            terms = zip(scoring.reward_names, scoring.terms[0, avatar].tolist(), strict=True)
            found[f"score.{avatar}"] = {
                "reward": _figure(scoring.rewards[0, avatar]),
                "return": _figure(scoring.returns[0, avatar]),
                "terms": {name: _figure(value) for name, value in terms},
            }
        metrics = self._simulation.metrics().items()
        found["metrics"] = {
            name: _figure(values[0])
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
