"""How Bullet and MuJoCo differ, measured on the same worlds: prints the table of `docs/physics.md`.

python benchmarks/engines.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from als_engine.bodies.avatar import Commands, drive
from als_engine.physics.engines import ENGINES, make_physics
from als_engine.simulation import simulate
from als_engine.world.arrays import Body
from als_engine.world.layout import Box, Layout, Prop, Spawn, Sphere
from als_engine.world.state import WorldState

AWAY = Spawn((-20.0, -20.0))


class Room:
    """One world of an engine, without a task."""

    def __init__(
        self, engine: str, props: dict[str, Prop], spawn: Spawn = AWAY, walls: tuple[Prop, ...] = ()
    ) -> None:
        layout = Layout([spawn], walls, props)
        self.state = WorldState(1, [Body()], layout, {})
        self.commands = Commands(1, 1)
        self.force = np.zeros((1, 1, 3))
        self.physics = make_physics(engine, 1)
        self.state.load(0, layout, 0, 0)
        self.physics.build(0, self.state)

    def step(self, steps: int = 1, walk: float = 0.0) -> None:
        self.commands.move[:] = (walk, 0.0)
        for _ in range(steps):
            drive(self.state, self.commands, self.force)
            self.physics.step(self.state, self.force)
            self.state.step += 1

    def prop(self, index: int = 0) -> np.ndarray:
        return self.state.props.position[0, index].copy()


def free_fall(engine: str) -> float:
    room = Room(engine, {"ball": Prop(Sphere(0.2), (0, 0, 20.0), mass=1.0)})
    room.step(15)
    return float(20.0 - room.prop()[2])


def sliding(engine: str) -> float:
    """An avatar pushes a crate for two seconds and turns back; the crate slides on."""
    crate = Prop(Box(0.6, 0.6, 0.6), (1.0, 0.0), mass=40.0)
    room = Room(engine, {"crate": crate}, Spawn((0.0, 0.0)))
    room.step(30, walk=1.0)
    begin = room.prop()[0]
    room.step(30, walk=-1.0)
    return float(room.prop()[0] - begin)


def push_force(engine: str) -> float:
    wall = Prop(Box(0.2, 4.0, 2.0), (1.0, 0.0))
    room = Room(engine, {}, Spawn((0.0, 0.0)), (wall,))
    room.step(40, walk=1.0)
    return float(room.state.avatars.touch[0, 0].sum())


def pile_height(engine: str) -> float:
    room = pile(engine)
    room.step(150)
    return float(room.prop(4)[2])


def pile_drift(engine: str) -> float:
    """How far the highest of five boxes moves in ten seconds after it has come to rest."""
    room = pile(engine)
    room.step(150)
    before = room.prop(4)
    room.step(150)
    return float(1000 * np.linalg.norm(room.prop(4) - before))


def pile(engine: str) -> Room:
    return Room(
        engine,
        {f"box_{i}": Prop(Box(0.4, 0.4, 0.4), (0, 0, 0.21 + 0.42 * i), mass=2.0) for i in range(5)},
    )


def step_time(engine: str) -> float:
    """Microseconds a world step of Tag, 16 worlds of 4 avatars, state sensors, at best of five."""
    simulation = simulate(
        "ALS/Tag-v0", 16, 1, physics=engine, num_avatars=4, sensors=("proprioception",)
    )
    simulation.reset(list(range(16)))
    rng = np.random.default_rng(0)
    best = np.inf
    for _ in range(5):
        actions = rng.integers(simulation.action_space.n, size=(40, 16, 1))
        began = time.perf_counter()
        for each in actions:
            simulation.step(each)
        best = min(best, time.perf_counter() - began)
    simulation.close()
    return 1e6 * best / (40 * 16)


def reset_time(engine: str) -> float:
    """Microseconds a reset of a world of Tag, new levels, at best of five."""
    simulation = simulate("ALS/Tag-v0", 16, 1, physics=engine, sensors=("proprioception",))
    simulation.reset(list(range(16)))
    best = np.inf
    for _ in range(5):
        began = time.perf_counter()
        simulation.reset()
        best = min(best, time.perf_counter() - began)
    simulation.close()
    return 1e6 * best / 16


ROWS: dict[str, Callable[[str], float]] = {
    "free fall in 1 s from rest, metres (exact: 4.905)": free_fall,
    "a crate of 40 kg slides on after a push at 2 m/s, metres": sliding,
    "an avatar's push against a wall, newtons (its limit: 480)": push_force,
    "height of the top of five stacked boxes after 10 s, metres (exact: 1.8)": pile_height,
    "its drift in the next 10 s, millimetres": pile_drift,
    "a world step of Tag, 16 worlds, 4 avatars, µs": step_time,
    "a reset of a world of Tag, µs": reset_time,
}


def main() -> None:
    print("| quantity | Bullet | MuJoCo |\n| --- | ---: | ---: |")
    for title, measure in ROWS.items():
        values = " | ".join(f"{measure(engine):.3g}" for engine in ENGINES)
        print(f"| {title} | {values} |", flush=True)


if __name__ == "__main__":
    main()
