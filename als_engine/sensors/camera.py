"""Vision: colour, depth and kind, and the third-person picture for people.

Kinds, in the `semantic` observation: 0 nothing (sky), 1 ground, 2 wall, 3 fixed prop, 4 movable
prop, 5 portable prop, 6 sign or screen, 7 avatar.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_engine.geometry import portable_math as pmath
from als_engine.render import backdrop, raster, scene
from als_engine.render import pictures as render
from als_engine.render.lines import Outlook
from als_engine.sensors.base import Setup, WorldwiseSensor

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

MAX_DEPTH = render.MAX_DEPTH
NUM_KINDS = 8
EYE_HEIGHT = 0.92
PITCH = -math.radians(8.0)
TAN_X, HAZE = np.float32(1.0), np.float32(0.02)
NO_FLOOR = np.zeros(4)
PICTURE_PITCH = -math.radians(46.0)
CUT, MARGIN = 0.3, 0.15
_FAN = (9, 17)
"""Rows and columns of the picture that the fan of rays goes through."""


class Camera(WorldwiseSensor):
    """Every observer's eyes: 0.92 of its height up, 90 degrees wide, 8 degrees down.

    rgb: uint8 (H, W, 3). depth: float32 (H, W, 1), metres along the view axis, at most 20.
    semantic: uint8 (H, W, 1), kinds as in the module's docstring.
    """

    provides: ClassVar[tuple[str, ...]] = ("rgb", "depth", "semantic")

    def __init__(self, setup: Setup, enabled: Collection[str]) -> None:
        super().__init__(setup, enabled)
        self._buffers = raster.new_buffers(*setup.frame_size)
        self._content = (setup.num_worlds, 0, 0)
        self._scene = scene.new_scene(*self._content)
        # What is not enabled still needs an array of the right type.
        self._unused: dict[str, NDArray[Any]] = {
            "rgb": np.zeros((1, 1, 1, 1), np.uint8),
            "depth": np.zeros((1, 1, 1, 1), np.float32),
            "semantic": np.zeros((1, 1, 1, 1), np.uint8),
        }
        size = setup.frame_size
        self._spaces: dict[str, gymnasium.Space[Any]] = {
            "rgb": gymnasium.spaces.Box(0, 255, (*size, 3), np.uint8),
            "depth": gymnasium.spaces.Box(0.0, MAX_DEPTH, (*size, 1), np.float32),
            "semantic": gymnasium.spaces.Box(0, NUM_KINDS - 1, (*size, 1), np.uint8),
        }
        self._fan: Camera | None = None
        self._wanted = sum(1 << i for i, key in enumerate(self.provides) if key in self.enabled)

    def spaces(self) -> Mapping[str, gymnasium.Space[Any]]:
        """One avatar's space for each enabled key."""
        return {key: self._spaces[key] for key in self.enabled}

    def read_some(
        self, state: WorldState, out: Mapping[str, NDArray[Any]], worlds: NDArray[np.intp]
    ) -> None:
        """Draws all observers of some worlds."""
        targets = dict(self._unused)
        rows = (state.num_worlds, self.setup.observers, self.setup.frame_size[0], -1)
        for key in self.enabled:
            # What is not contiguous is filled by way of a copy.
            targets[key] = np.ascontiguousarray(self._check(key, out[key], state)).reshape(rows)
        content = (state.num_worlds, scene.capacity(state), len(state.signs.names))
        if content != self._content:
            self._content, self._scene = content, scene.new_scene(*content)
        self._scene = scene.fill(self._scene, state, worlds)
        render.render(
            worlds, tuple(self._scene), tuple(self._buffers),
            (state.avatars.position, state.avatars.heading, state.bodies.height * EYE_HEIGHT),
            self.setup.observers, True, (PITCH, TAN_X, HAZE), NO_FLOOR, self.setup.frame_size,
            self._wanted, (targets["rgb"], targets["depth"], targets["semantic"]),
        )  # fmt: skip
        for key in self.enabled:
            if not out[key].flags.c_contiguous:
                out[key][...] = targets[key].reshape(out[key].shape)

    def rays(self, state: WorldState, world: int, avatar: int) -> NDArray[np.float64]:
        """A fan through the middle row of the picture, to what stands there or 20 m away."""
        if self._fan is None:
            self._fan = Camera(replace(self.setup, frame_size=_FAN), ("depth",))
        rows, columns = _FAN
        depth = np.zeros((self.setup.num_worlds, self.setup.observers, rows, columns, 1), "f4")
        self._fan.read_some(state, {"depth": depth}, np.array([world]))
        axes, eye = np.zeros((6, 3), np.float32), state.avatars.position[world, avatar].copy()
        eye[2] += EYE_HEIGHT * state.bodies.height[avatar]
        heading = float(state.avatars.heading[world, avatar])
        backdrop.aim(axes, heading, PITCH, float(TAN_X), rows, columns)
        across = np.arange(columns)[:, None] * axes[4]
        directions = axes[3] + (rows - 1) / 2 * axes[5] + across
        far = depth[world, avatar, rows // 2]
        lines = np.empty((columns, 2, 3))
        lines[:, 0], lines[:, 1] = eye, eye + directions * far
        return lines

    def _check(self, key: str, array: NDArray[Any], state: WorldState) -> NDArray[Any]:
        # A kernel writes where it is told: past the end of an array that is too small.
        space = self._spaces[key]
        shape = (state.num_worlds, self.setup.observers, *(space.shape or ()))
        if array.shape != shape or array.dtype != space.dtype:
            raise ArgumentError(
                f"{key} goes into {space.dtype} {shape}, not into {array.dtype} {array.shape}"
            )
        return array


def first_person(
    state: WorldState, world: int, avatar: int, height: int, width: int
) -> NDArray[np.uint8]:
    """What one avatar sees, as its `rgb` sensor has it: uint8 (height, width, 3)."""
    content = scene.new_scene(1, scene.capacity(state), len(state.signs.names))
    content = scene.fill(content, state, np.zeros(1, np.intp), world)
    # The only view is number 0, and leaves out what belongs to its avatar.
    owner = content.owner[0]
    content.owner[0] = np.where(owner == avatar, 0, np.where(owner == 0, avatar, owner))
    one = (slice(world, world + 1), slice(avatar, avatar + 1))
    position, heading = (
        np.ascontiguousarray(each[one]) for each in (state.avatars.position, state.avatars.heading)
    )
    picture = np.empty((1, 1, height, 3 * width), np.uint8)
    render.render(
        np.zeros(1, np.intp), tuple(content), tuple(raster.new_buffers(height, width)),
        (position, heading, state.bodies.height[one[1]] * EYE_HEIGHT), 1, True,
        (PITCH, TAN_X, HAZE), NO_FLOOR, (height, width), 1,
        (picture, np.zeros((1, 1, 1, 1), np.float32), np.zeros((1, 1, 1, 1), np.uint8)),
    )  # fmt: skip
    return picture.reshape(height, width, 3)


def third_person(
    state: WorldState, world: int, width: int = 640, height: int = 480
) -> NDArray[np.uint8]:
    """A picture of one world for people, from above and aside: uint8 (height, width, 3).

    Walls that would hide what is behind them are cut low. The side is chosen so that as many signs
    and screens as possible can be read.
    """
    return outlook(state, world, width, height).picture


def outlook(state: WorldState, world: int, width: int = 640, height: int = 480) -> Outlook:
    """The same picture, and what it takes to draw something of the world on it."""
    content = scene.new_scene(1, scene.capacity(state), len(state.signs.names))
    content = scene.fill(content, state, np.zeros(1, np.intp), world)
    area = _area(content, state, world)
    yaw = _side(state, world, area)
    _cut_walls(content, state, world, yaw, area)
    tan_x = 0.38
    floor = area + np.array([-MARGIN, -MARGIN, MARGIN, MARGIN])
    eye = _stand_back(floor, _top(content), yaw, tan_x, tan_x * height / width)
    size = (2 * height, 2 * width)
    fine = np.empty((1, 1, size[0], 3 * size[1]), np.uint8)
    depth = np.empty((1, 1, *size), np.float32)
    render.render(
        np.zeros(1, np.intp), tuple(content), tuple(raster.new_buffers(*size)),
        (eye[None, None], np.full((1, 1), yaw), np.zeros(1)), 1, False,
        (PICTURE_PITCH, np.float32(tan_x), np.float32(0.0)), floor, size, 3,
        (fine, depth, np.zeros((1, 1, 1, 1), np.uint8)),
    )  # fmt: skip
    coarse = np.empty((height, width, 3), np.uint8)
    render.halve(fine[0, 0], coarse)
    axes = np.zeros((6, 3), np.float32)
    backdrop.aim(axes, yaw, PICTURE_PITCH, tan_x, height, width)
    return Outlook(coarse, depth[0, 0, ::2, ::2], eye, axes, tan_x)


def _area(content: scene.Scene, state: WorldState, world: int) -> NDArray[np.float64]:
    """What to show: x and y of the lower and the upper corner, metres.

    That is what the walls enclose, if all avatars are there, or else where things were when the
    episode began: both stand still in a video.
    """
    n = int(state.walls.count[world])
    if n >= 3:
        frame = content.frame[0, :n].astype(np.float64)
        extent = np.abs(frame / (frame**2).sum(-1, keepdims=True)).sum(1)[:, :2]
        center = content.center[0, :n, :2]
        low, high = (center - extent).min(0), (center + extent).max(0)
        avatars = state.avatars.position[world, :, :2]
        if ((avatars > low) & (avatars < high)).all():
            return np.concatenate([low, high])
    return np.asarray(state.bounds[world])


def _side(state: WorldState, world: int, area: NDArray[np.float64]) -> float:
    """The direction in which the picture looks, radians."""
    signs, screens = state.signs, state.screens
    x0, y0, x1, y1 = area
    sides = np.radians([62.0, 118.0, -28.0, 28.0, -118.0, -62.0, 152.0, -152.0])
    heading = np.concatenate([signs.heading[world], screens.heading[world]])
    toward = -pmath.cos(sides[:, None] - heading)
    half = np.concatenate([signs.half[world], screens.half[world]])
    weight = np.concatenate([signs.present[world], screens.on[world]]) * half.prod(-1)
    # The long side of a room fits the width of a picture.
    wide = np.abs(pmath.sin(sides)) * (x1 - x0) + np.abs(pmath.cos(sides)) * (y1 - y0)
    score = (np.maximum(toward, 0.0) * weight).sum(-1) / max(float(weight.sum()), 1e-9)
    return float(sides[np.argmax(score + 0.5 * wide / max(x1 - x0, y1 - y0))])


def _cut_walls(
    content: scene.Scene, state: WorldState, world: int, yaw: float, area: NDArray[np.float64]
) -> None:
    """Lowers thin walls behind which there is floor."""
    n = int(state.walls.count[world])
    center, half = content.center[0, :n], state.walls.half[world, :n]
    x0, y0, x1, y1 = area
    behind = center[:, :2] + 0.7 * np.array([pmath.cos(yaw), pmath.sin(yaw)])
    inside = (behind > (x0 + 0.3, y0 + 0.3)).all(-1) & (behind < (x1 - 0.3, y1 - 0.3)).all(-1)
    bottom, top = center[:, 2] - half[:, 2], center[:, 2] + half[:, 2]
    hiding = inside & (top > 2.0 * CUT) & (half[:, :2].min(-1) < 0.2)
    bottom = np.where(hiding, np.minimum(bottom, CUT - 0.02), bottom)
    top = np.where(hiding, CUT, top)
    center[:, 2] = (bottom + top) / 2
    content.frame[0, :n, 2, 2] = 2.0 / (top - bottom)


def _top(content: scene.Scene) -> float:
    """The height up to which there is something, within reason, metres."""
    n = content.size[0]
    half = np.abs(1.0 / np.maximum(np.abs(content.frame[0, :n, 2, 2]), 1e-3))
    return float(np.clip((content.center[0, :n, 2] + half).max(initial=0.0), 1.8, 5.0))


def _stand_back(
    floor: NDArray[np.float64], top: float, yaw: float, tan_x: float, tan_y: float
) -> NDArray[np.float64]:
    """The place from which the picture holds the floor and what stands on it."""
    axes = np.zeros((6, 3), np.float32)
    backdrop.aim(axes, yaw, PICTURE_PITCH, 1.0, 1, 1)
    right, up, forward = axes[:3].astype(np.float64)
    x0, y0, x1, y1 = floor
    corners = np.array([(x, y, z) for x in (x0, x1) for y in (y0, y1) for z in (0.0, top)])
    target = corners.mean(0)
    for _ in range(4):
        u, v, depth = ((corners - target) @ axis for axis in (right, up, forward))
        far = np.maximum(np.abs(u) / (0.95 * tan_x), np.abs(v) / (0.93 * tan_y))
        far = (far - depth).max()
        slope = v / (depth + far)
        target = target + up * (slope.max() + slope.min()) / 2 * far
    return np.asarray(target - forward * far)
