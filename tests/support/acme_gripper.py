"""A plugin of one file that brings a gripper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from als_engine import Box, Effector, Part, Quantity
from als_engine.world.arrays import NOTHING

CLOSE, OPEN = 1, 2


class Gripper(Effector):
    """Two fingers before the body, which take hold of the nearest portable prop between them.

    Args:
        reach: how far ahead of the feet the fingers are, metres.
        name: whose; a body with two has a "left" and a "right" one.
    """

    commands: ClassVar = ("close", "open")
    arrays: ClassVar = {"load": Quantity((), np.int32, NOTHING)}
    columns: ClassVar = ("loaded", "weight")
    color = "orange"

    def __init__(self, reach: float = 0.6, name: str = "gripper") -> None:
        self.reach, self.name = reach, name

    def parts(self) -> Sequence[Part]:
        finger = Box(0.3, 0.05, 0.05)
        return [Part(finger, (self.reach - 0.1, side, 0.5), side) for side in (-0.12, 0.12)]

    def act(self, state, command, who):
        load, props, avatars = state[f"{self.name}.load"], state.props, state.avatars
        ahead = np.stack([np.cos(avatars.heading), np.sin(avatars.heading)], axis=-1)
        fingers = avatars.position[..., :2] + self.reach * ahead
        worlds = np.arange(state.num_worlds)
        for a in range(state.num_avatars):
            # A task or somebody's leaving may have taken it away.
            mine = (load[:, a] != NOTHING) & (props.holder[worlds, load[:, a]] == a)
            load[~mine, a] = NOTHING
            drop = worlds[who[:, a] & mine & (command[:, a] == OPEN)]
            self._let_go(state, drop, load[drop, a])
            load[drop, a] = NOTHING
            away = np.hypot(*np.moveaxis(props.position[..., :2] - fingers[:, a, None], -1, 0))
            free = props.portable & props.present & (props.holder == NOTHING)
            away[~free | (away > 0.4)] = np.inf
            nearest = away.argmin(1)
            take = worlds[
                who[:, a] & ~mine & (command[:, a] == CLOSE) & (away[worlds, nearest] < np.inf)
            ]
            load[take, a] = nearest[take]
            props.holder[take, nearest[take]] = a
            state.moved[take, nearest[take]] = True
            held = worlds[load[:, a] != NOTHING]
            props.position[held, load[held, a], :2] = fingers[held, a]
            props.position[held, load[held, a], 2] = 0.5
            props.velocity[held, load[held, a]] = 0.0

    def _let_go(self, state, worlds, props):
        state.props.position[worlds, props, 2] = state.props.half[worlds, props, 2]
        state.props.holder[worlds, props] = NOTHING
        state.moved[worlds, props] = True

    def observe(self, state, out):
        load = state[f"{self.name}.load"]
        mass = np.take_along_axis(state.props.mass, np.maximum(load, 0), axis=1)
        out[..., 0] = load != NOTHING
        out[..., 1] = np.where(load != NOTHING, mass / (mass + 10.0), 0.0)
