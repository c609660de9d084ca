"""The recorded states of every scenario; `python tests/support/golden.py` records them anew.

Record them when a scenario, an avatar's body or the physics was changed on purpose, and say so in
the changelog: results from before are then no longer comparable.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

from als_engine.registry import registry
from als_engine.simulation import simulate

FILE = Path(__file__).parents[1] / "golden.json"
STEPS = 60
SEEDS = (1, 2, 3)


def this_platform() -> str:
    """What the last bit of a float64 may depend on."""
    kernel = np.lib.introspect.opt_func_info(func_name="^sin$", signature="float64")
    current = next(iter(kernel["sin"].values()))["current"]
    return f"{platform.machine()}, {current}, pybullet {version('pybullet')}"


def digests(id: str) -> list[str]:
    """The states of a few worlds after a fixed number of fixed steps."""
    rng = np.random.default_rng(0)
    simulation = simulate(id, len(SEEDS), sensors=("proprioception",))
    try:
        simulation.reset(SEEDS)
        for step in range(STEPS):
            if step % 4 == 0:
                shape = (len(SEEDS), simulation.observers)
                actions = rng.integers(simulation.action_space.n, size=shape)
            simulation.step(actions)
        return [simulation.state.digest(world).hex() for world in range(len(SEEDS))]
    finally:
        simulation.close()


def recorded() -> dict[str, dict[str, list[str]]]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


if __name__ == "__main__":
    everything = recorded()
    everything[this_platform()] = {spec.id: digests(spec.id) for spec in registry.scenarios()}
    FILE.write_text(json.dumps(everything, indent=2, sort_keys=True) + "\n")
