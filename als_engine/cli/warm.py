"""`als warm`: compiles the kernels, so that the first environment does not wait for them."""

from __future__ import annotations

import contextlib
import itertools
import time
from typing import Any, Final

from als_engine.cli.console import say
from als_engine.plugins.registry import registry

__all__ = ["warm"]

_SIZES: Final = ((1, None), (2, None), (2, 1))
"""Worlds and observers: a part of an array of several worlds is compiled for anew."""


def warm() -> None:
    """Compile the kernels for this machine, so that the first run does not wait for them.

    Plays a few steps of every scenario with every sensor and every installed physics engine.
    What is compiled stays on the disk.
    """
    import numpy as np

    from als_engine.errors import NoExpertError
    from als_engine.physics.engines import ENGINES
    from als_engine.plugins.specs import ACTION_MODES
    from als_engine.sensors import SENSORS
    from als_engine.simulation import simulate

    began = time.monotonic()
    engines = [engine.name for engine in ENGINES.values() if engine.version]
    every = itertools.product(registry.scenarios(), engines, ACTION_MODES, _SIZES)
    for spec, physics, mode, (worlds, observers) in every:
        given: dict[str, Any] = {"sensors": [*SENSORS], "physics": physics, "action_mode": mode}
        with contextlib.closing(simulate(spec, worlds, observers, **given)) as simulation:
            simulation.reset([0] * worlds)
            simulation.observe()
            simulation.render()
            action = np.asarray(simulation.action_space.sample())
            actions = np.broadcast_to(action, (worlds, simulation.observers, *action.shape))
            for _ in range(3):
                simulation.step(actions)
            with contextlib.suppress(NoExpertError):
                simulation.step(simulation.expert_actions())
    say(f"The kernels are compiled ({time.monotonic() - began:.0f} s).")
