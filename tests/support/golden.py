"""The recorded states and observations of every scenario, and those of the last release.

`python tests/support/golden.py --record` records them anew, `--record ALS/Tag-v0` those of one
scenario. Do that when a scenario, an avatar's body, a sensor or the physics was changed on purpose,
and say so in the changelog: results from before are then no longer comparable. What has been
released under an id stays: a change then needs the next version (docs/versions.md). Without an
argument the digests are printed as JSON.

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
RELEASED = FILE.with_name("released.json")
"""What the last release had: written by `make release`; there is none before the first."""
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


def released(engine: str = "bullet") -> dict[str, Digests]:
    """What the last release recorded for the installed version of an engine."""
    return json.loads(RELEASED.read_text()).get(physics(engine), {}) if RELEASED.exists() else {}


def bumped(id: str) -> str:
    """The id of a scenario's next version."""
    name, _, number = id.rpartition("-v")
    return f"{name}-v{int(number) + 1}"


def difference(id: str, found: Digests, expected: Digests | None, is_released: bool) -> str:
    """What has changed in a scenario, what that means and what to do; empty where nothing has."""
    if found == expected:
        return ""
    record = f"python tests/support/golden.py --record {id}"
    if expected is None:
        return f"{id} is not recorded yet. Record it: {record}"
    keys = [key for key in {**found, **expected} if found.get(key) != expected.get(key)]
    if "states" in keys:
        what = "its worlds go another way than recorded: levels, bodies, physics or a rule changed"
    else:
        what = f"the same worlds are observed differently: {', '.join(sorted(keys))}"
    lines = [f"{id}: {what}.", "If that was not meant, it is a bug."]
    if is_released:
        new = bumped(id)
        lines += [
            f"If it was meant: {id} has been released, so its results have to stay. Register the "
            f'change as "{new}": the id in its ScenarioSpec, a line under "Version history", and '
            "in the suites the id with new yardsticks (als bench calibrate FILE). Then:",
            f"  python tests/support/golden.py --record {new}",
            f"Name {id} in the changelog as replaced. docs/versions.md has the rules.",
        ]
    else:
        lines += [f"If it was meant: {id} has not been released; record it anew:", f"  {record}"]
    return "\n".join(lines)


def record(ids: list[str]) -> None:
    """Writes the digests of some scenarios, or of all; those of an id that is gone are left out."""
    known = [spec.id for spec in registry.scenarios()]
    if unknown := {*ids} - {*known}:
        raise SystemExit(f"no such scenario: {', '.join(sorted(unknown))}")
    found = json.loads(FILE.read_text()) if ids else {}
    for engine in ENGINES:
        old = found.get(physics(engine), {})
        new = {each: digests(each, engine) for each in ids or known}
        found[physics(engine)] = {k: seen for k, seen in {**old, **new}.items() if k in known}
    FILE.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    if "--record" in sys.argv:
        record(sys.argv[sys.argv.index("--record") + 1 :])
    else:
        engine = "mujoco" if "mujoco" in sys.argv else "bullet"
        sys.stdout.write(json.dumps(everything(engine)) + "\n")
