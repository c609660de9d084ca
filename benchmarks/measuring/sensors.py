"""Pictures, against PyBullet's own software renderer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pybullet
from hand_written import simulate_by_hand

from als_engine.envs.batch import Batch
from als_engine.sensors.base import Setup
from als_engine.sensors.camera import Camera
from als_engine.simulation import Simulation, simulate
from measuring.timing import Measure, compared, in_turns, median_ratio, micro
from measuring.worlds import RING, reset_batch


def camera_against_tiny_renderer(repeats: int) -> list[Measure]:
    """One 64 x 64 picture with colour, depth and kinds, of the same scene."""
    simulation = _stepped(RING, worlds=1, sensors=())
    setup = Setup(num_worlds=1, num_avatars=4, observers=4)
    camera = Camera(setup, ("rgb", "depth", "semantic"))
    out = {
        key: np.zeros((1, 4, *(space.shape or ())), space.dtype)
        for key, space in camera.spaces().items()
    }
    ours, tiny = in_turns(
        repeats,
        lambda: [camera.read(simulation.state, out) for _ in range(25)],
        lambda: draw_with_tiny_renderer(simulation),
    )
    simulation.close()
    return [
        Measure(
            "camera / TinyRenderer, 64 x 64",
            median_ratio(tiny, ours) * 25,
            25.0,
            detail=f"{micro(ours, 100)} and {micro(tiny, 4)} a picture",
        )
    ]


def observing_ended(repeats: int, worlds: int = 16) -> list[Measure]:
    """What an autoreset of one world observes anew, against all of them."""
    simulation = simulate("ALS/Tag-v0", worlds, sensors=("proprioception", "entities", "rgb"))
    simulation.reset(range(worlds))
    some, every = in_turns(repeats, lambda: simulation.observe([0]), simulation.observe)
    simulation.close()
    return [
        Measure(
            "observing the one world of 16 that has ended / all of them",
            median_ratio(some, every),
            0.5,
            at_most=True,
            detail=f"{micro(some, 1)} and {micro(every, 1)}",
        )
    ]


def pixels_env(repeats: int, steps: int = 5) -> list[Measure]:
    """The whole environment with `rgb` for 4 avatars, against the same drawn by TinyRenderer."""
    ours = reset_batch(RING, 4, ("proprioception", "rgb"))
    theirs = reset_batch(RING, 4, ("proprioception",), make=simulate_by_hand)
    rng = np.random.default_rng(0)

    def step(batch: Batch, tiny: bool) -> None:
        for _ in range(steps):
            batch.step(rng.integers(0, 7, (4, 4)))
            if tiny:
                draw_with_tiny_renderer(batch.simulation)

    fast, slow = in_turns(repeats, lambda: step(ours, False), lambda: step(theirs, True))
    ours.close()
    theirs.close()
    name = "env with rgb for 4 avatars / drawn with TinyRenderer"
    return [compared(name, fast, slow, 10.0, count=4 * steps)]


def draw_with_tiny_renderer(simulation: Simulation) -> None:
    """Draws what every avatar sees with PyBullet's own software renderer."""
    avatars = simulation.state.avatars
    physics: Any = simulation.moving.physics
    for world, client in enumerate(physics.clients):
        for avatar in range(simulation.num_avatars):
            eye = avatars.position[world, avatar] + (0.0, 0.0, 1.55)
            heading = avatars.heading[world, avatar]
            eye = eye + 0.3 * np.array([np.cos(heading), np.sin(heading), 0.0])
            ahead = eye + np.array([np.cos(heading), np.sin(heading), -0.14])
            pybullet.getCameraImage(
                64,
                64,
                pybullet.computeViewMatrix(eye.tolist(), ahead.tolist(), (0, 0, 1)),
                pybullet.computeProjectionMatrixFOV(90, 1.0, 0.05, 20.0),
                renderer=pybullet.ER_TINY_RENDERER,
                physicsClientId=client,
            )


def _stepped(scenario: str, worlds: int, sensors: tuple[str, ...]) -> Simulation:
    """A simulation after 30 random steps, whose worlds the pybullet module knows."""
    simulation = simulate_by_hand(scenario, worlds, sensors=sensors)
    simulation.reset(list(range(worlds)))
    rng = np.random.default_rng(0)
    for _ in range(30):
        simulation.step(rng.integers(0, 7, (worlds, simulation.observers)))
    return simulation
