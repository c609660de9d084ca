"""Names the columns of `entities` and `proprioception`.

Apart from the sensors: an agent that acts in a sandbox need not bring in the kernels of the worlds.
"""

from __future__ import annotations

from typing import Final

ENTITIES: Final = (
    "present",
    "fixed",
    "movable",
    "portable",
    "avatar",
    "sign",
    "sound",
    "identity",
    "forward",
    "left",
    "up",
    "distance",
    "facing_cos",
    "facing_sin",
    "forward_velocity",
    "left_velocity",
    "length",
    "width",
    "height",
    "round",
    "red",
    "green",
    "blue",
    "weight",
    "usable",
    "holding",
)
"""The names of the columns of `entities`."""

PROPRIOCEPTION: Final = (
    "forward_velocity",
    "left_velocity",
    "turn_rate",
    "heading_sin",
    "heading_cos",
    "holding",
    "held_red",
    "held_green",
    "held_blue",
    "held_identity",
    "time_left",
)
"""The names of the columns of `proprioception`."""

SIGHT: Final = 10.0
"""How far `entities` sees, metres."""
