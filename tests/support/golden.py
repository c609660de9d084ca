"""The recorded states and observations of every scenario.

`python tests/support/golden.py --record` records them anew. Do that when a scenario, an avatar's
body, a sensor or the physics was changed on purpose, and say so in the changelog: results from
before are then no longer comparable. Without an argument the digests are printed as JSON.

They hold on every processor; only another version of an engine may change them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry
from als_engine.simulation import simulate

FILE = Path(__file__).parents[1] / "golden.json"
STEPS = 60
SEEDS = (1, 2, 3)
SENSORS = ("audio", "depth", "entities", "proprioception", "rgb", "semantic", "text", "touch")

Digests = dict[str, list[str] | str]


SAME_BITS = {"pybullet 3.2.8": "pybullet 3.2.7"}
"""A release (pybullet-arm64's, which brings the module to newer Pythons) with another's results."""


def physics(engine: str = "bullet") -> str:
    """The library whose results these are, by its module."""
    found = f"{ENGINES[engine].module} {ENGINES[engine].version}"
    return SAME_BITS.get(found, found)


def digests(id: str, engine: str = "bullet", sensors: tuple[str, ...] | None = None) -> Digests:
    """The states of a few worlds after fixed steps of all avatars, and what was sensed.

    By default that is everything on Bullet, and nothing on MuJoCo.
    """
    rng = np.random.default_rng(0)
    if sensors is None:
        sensors = SENSORS if engine == "bullet" else ()
    simulation = simulate(id, len(SEEDS), sensors=sensors, physics=engine)
    seen = {key: hashlib.sha256() for key in simulation.observations}
    try:
        simulation.reset(SEEDS)
        for step in range(STEPS):
            if step % 4 == 0:
                shape = (len(SEEDS), simulation.observers)
                actions = rng.integers(simulation.action_space.n, size=shape)
            simulation.step(actions)
            for key, array in simulation.observations.items():
                seen[key].update(array.tobytes())
        states = [simulation.state.digest(world).hex() for world in range(len(SEEDS))]
        return {"states": states, **{key: sha.hexdigest()[:32] for key, sha in seen.items()}}
    finally:
        simulation.close()


def everything(engine: str = "bullet") -> dict[str, Digests]:
    return {spec.id: digests(spec.id, engine) for spec in registry.scenarios()}


def recorded(engine: str = "bullet") -> dict[str, Digests]:
    """What is recorded for the installed version of an engine; empty when there is none."""
    return json.loads(FILE.read_text()).get(physics(engine), {})


if __name__ == "__main__":
    if "--record" in sys.argv:
        found = {physics(engine): everything(engine) for engine in ENGINES}
        FILE.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
    else:
        engine = "mujoco" if "mujoco" in sys.argv else "bullet"
        sys.stdout.write(json.dumps(everything(engine)) + "\n")
