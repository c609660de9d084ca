"""What avatars see: colour, depth and kind, and the third-person picture for people.

Kinds, in the `semantic` observation: 0 nothing (sky), 1 ground, 2 wall, 3 fixed prop, 4 movable
prop, 5 portable prop, 6 sign, 7 avatar.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.sensors import raster, render, scene
from als_engine.sensors.base import Sensor, Setup

if TYPE_CHECKING:
    from als_engine.state import WorldState

MAX_DEPTH = render.MAX_DEPTH
NUM_KINDS = 8
EYE_HEIGHT = 0.92
PITCH = -math.radians(8.0)
TAN_X, HAZE = np.float32(1.0), np.float32(0.02)


class Camera(Sensor):
    """Every observer's eyes: 0.92 of its height up, 90 degrees wide, 8 degrees down.

    rgb: uint8 (H, W, 3). depth: float32 (H, W, 1), metres along the view axis, at most 20.
    semantic: uint8 (H, W, 1), kinds as in the module's docstring.
    """

    provides: ClassVar[tuple[str, ...]] = ("rgb", "depth", "semantic")

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        super().__init__(setup, enabled)
        self._buffers = raster.new_buffers(*setup.frame_size)
        self._scene = scene.new_scene(setup.num_worlds, 0, 0)
        # What is not enabled still needs an array of the right type.
        self._unused = {
            "rgb": np.zeros((1, 1, 1, 1, 3), np.uint8),
            "depth": np.zeros((1, 1, 1, 1, 1), np.float32),
            "semantic": np.zeros((1, 1, 1, 1, 1), np.uint8),
        }
        self._wanted = sum(1 << i for i, key in enumerate(self.provides) if key in self.enabled)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space for each enabled key."""
        size = self.setup.frame_size
        every: dict[str, gymnasium.Space[Any]] = {
            "rgb": gymnasium.spaces.Box(0, 255, (*size, 3), np.uint8),
            "depth": gymnasium.spaces.Box(0.0, MAX_DEPTH, (*size, 1), np.float32),
            "semantic": gymnasium.spaces.Box(0, NUM_KINDS - 1, (*size, 1), np.uint8),
        }
        return {key: every[key] for key in self.enabled}

    def read(self, state: WorldState, out: Mapping[str, NDArray[Any]]) -> None:
        """Draws all worlds and observers."""
        targets = dict(self._unused)
        for key in self.enabled:
            array = out[key]
            targets[key] = array if array.flags.c_contiguous else np.empty_like(array, order="C")
        capacity = scene.capacity(state)
        if capacity > self._scene.reach.shape[1]:
            self._scene = scene.new_scene(state.num_worlds, capacity, len(state.signs.names))
        scene.fill(self._scene, state)
        render.render(
            self._scene, self._buffers, state.avatars.position, state.avatars.heading,
            state.bodies.height * EYE_HEIGHT, self.setup.observers, True, PITCH, TAN_X, HAZE,
            *self.setup.frame_size, self._wanted,
            targets["rgb"], targets["depth"], targets["semantic"],
        )  # fmt: skip
        for key in self.enabled:
            if targets[key] is not out[key]:
                out[key][...] = targets[key]


def third_person(
    state: WorldState, world: int, width: int = 640, height: int = 480
) -> NDArray[np.uint8]:
    """A picture of one world for people: uint8 (height, width, 3)."""
    x0, y0, x1, y1 = state.bounds[world]
    yaw, pitch = math.radians(60), math.radians(-50)
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 0.6])
    forward = np.array(
        [math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)]
    )
    eye = middle - forward * 1.3 * math.hypot(x1 - x0, y1 - y0)
    size = (2 * height, 2 * width)
    fine = np.empty((1, 1, *size, 3), np.uint8)
    content = scene.new_scene(1, scene.capacity(state), len(state.signs.names))
    scene.fill(content, state, world=world)
    render.render(
        content, raster.new_buffers(*size), eye[None, None], np.full((1, 1), yaw), np.zeros(1),
        1, False, pitch, np.float32(0.45), np.float32(0.0), *size, 1,
        fine, np.zeros((1, 1, 1, 1, 1), np.float32), np.zeros((1, 1, 1, 1, 1), np.uint8),
    )  # fmt: skip
    coarse = np.empty((height, width, 3), np.uint8)
    render.halve(fine[0, 0], coarse)
    return coarse
