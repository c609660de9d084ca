"""Steps of a scenario's expert, from training levels, to learn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from als_engine.envs.rows import Rows
from als_engine.limits import check_memory
from als_engine.seeding import row_seeds, spread
from als_plugins.imitation.kept import step_bytes
from als_plugins.imitation.sources import Demonstrator
from als_plugins.imitation.worlds import Noise
from als_plugins.learners.student import Batch

__all__ = ["Shown", "show"]

WORLDS: Final = 16
NOISE: Final = 0.2
"""The part of the steps in which something random is done, so that its mistakes are seen, too."""


class Shown(NamedTuple):
    """Demonstrated steps.

    Attributes:
        observation: key to (steps, ...).
        actions: (steps, ...), what the expert would do.
    """

    observation: dict[str, NDArray[Any]]
    actions: NDArray[Any]

    def batch(self, places: NDArray[np.integer]) -> Batch:
        """Some of them, as a student takes them."""
        seen = {key: array[places] for key, array in self.observation.items()}
        unknown = np.full(len(places), np.nan, np.float32)
        return Batch(seen, self.actions[places], unknown)

    def some(self, count: int, rng: np.random.Generator) -> Shown:
        """So many of them, drawn at random; all where there are fewer."""
        places = np.sort(rng.permutation(len(self.actions))[:count])
        seen = {key: array[places] for key, array in self.observation.items()}
        return Shown(seen, self.actions[places])


def show(
    scenario: str,
    arguments: Mapping[str, Any],
    steps: int,
    seed: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_steps: Callable[[int], None] = lambda steps: None,
) -> Shown:
    """Lets the expert show what to do, on training levels; now and then it is led astray.

    Args:
        scenario: its id.
        arguments: of the scenario, `sensors` among them.
        steps: how many, over all worlds.
        seed: of the levels, and of where it is led astray.
        should_stop: asked at every step.
        on_steps: told how many there are.

    Raises:
        KeyboardInterrupt: it was told to stop.
        ArgumentError: the scenario has no expert, or there is not memory enough.
    """
    rows = Rows(scenario, WORLDS, observers=1, **arguments)
    try:
        check_memory(
            "demonstrations", steps * step_bytes(rows.observation_space, rows.action_space)
        )
        rng = np.random.default_rng(spread("continual demonstrations", seed))
        rows.spread_for("continual demonstrations")
        rows.seed(seed)
        rows.reset()
        source = Demonstrator.belonging_to(rows, "expert")
        source.begin(rows, seed)
        begin = np.ones(WORLDS, np.bool_)
        source.restart(begin, [each for world in range(WORLDS) for each in row_seeds(world, 1)])
        noise = Noise(rows, NOISE, rng)
        space, like = rows.observation_space, rows.observations
        seen = {
            key: np.empty((steps, *like[key].shape[1:]), like[key].dtype) for key in space.spaces
        }
        actions = np.empty((steps, *(rows.action_space.shape or ())), rows.action_space.dtype)
        done = 0
        while done < steps:
            if should_stop():
                raise KeyboardInterrupt
            shown = source.actions(rows)
            part = slice(done, min(done + WORLDS, steps))
            for key, array in seen.items():
                array[part] = rows.observations[key][: part.stop - done]
            actions[part] = shown[: part.stop - done]
            done = part.stop
            rows.step(noise.disturbed(shown))
            on_steps(done)
        return Shown(seen, actions)
    finally:
        rows.close()
