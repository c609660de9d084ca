"""Ready-made things to stand in a room, each one a single `Prop` of everyday size.

A thing's front looks along its local -y axis: at heading 0 it faces south, its width runs along x
and its depth along y, as `Room.along_wall` and `Room.place` turn it. Lengths are metres.
"""

from __future__ import annotations

from collections.abc import Sequence

from als_engine.world.layout import Box, Color, Cylinder, Prop

__all__ = ["bed", "chair", "crate", "desk", "parcel", "pillar", "plant", "screen", "shelf", "table"]

ORIGIN = (0.0, 0.0)


def desk(position: Sequence[float] = ORIGIN, heading: float = 0.0, color: Color = "brown") -> Prop:
    """Returns a desk, 1.4 by 0.7 and 0.74 high."""
    return Prop(Box(1.4, 0.7, 0.74), position, heading, color=color)


def table(position: Sequence[float] = ORIGIN, heading: float = 0.0, color: Color = "beige") -> Prop:
    """Returns a low table, 1.2 by 0.8 and 0.6 high."""
    return Prop(Box(1.2, 0.8, 0.6), position, heading, color=color)


def chair(
    position: Sequence[float] = ORIGIN,
    heading: float = 0.0,
    color: Color = "grey",
    mass: float = 6.0,
) -> Prop:
    """Returns a chair, 0.45 square and 0.5 high, light enough to be pushed aside."""
    return Prop(Box(0.45, 0.45, 0.5), position, heading, mass=mass, color=color)


def shelf(position: Sequence[float] = ORIGIN, heading: float = 0.0, color: Color = "brown") -> Prop:
    """Returns a tall shelf, 1.2 by 0.4 and 1.8 high, that hides what is behind it."""
    return Prop(Box(1.2, 0.4, 1.8), position, heading, color=color)


def screen(position: Sequence[float] = ORIGIN, heading: float = 0.0, color: Color = "teal") -> Prop:
    """Returns a partition screen, 1.8 by 0.1 and 1.6 high."""
    return Prop(Box(1.8, 0.1, 1.6), position, heading, color=color)


def bed(position: Sequence[float] = ORIGIN, heading: float = 0.0, color: Color = "white") -> Prop:
    """Returns a hospital bed, 0.9 by 2.0 and 0.55 high, its foot at the front."""
    return Prop(Box(0.9, 2.0, 0.55), position, heading, color=color)


def pillar(
    position: Sequence[float] = ORIGIN,
    radius: float = 0.3,
    height: float = 2.4,
    color: Color = "grey",
) -> Prop:
    """Returns a round pillar."""
    return Prop(Cylinder(radius, height), position, color=color)


def plant(position: Sequence[float] = ORIGIN, color: Color = "green") -> Prop:
    """Returns a potted plant, 0.5 across and 1.1 high."""
    return Prop(Cylinder(0.25, 1.1), position, color=color)


def crate(
    position: Sequence[float] = ORIGIN,
    heading: float = 0.0,
    color: Color = "orange",
    mass: float = 20.0,
    size: float = 0.7,
) -> Prop:
    """Returns a crate, a cube that an avatar can push."""
    return Prop(Box(size, size, size), position, heading, mass=mass, color=color)


def parcel(position: Sequence[float] = ORIGIN, heading: float = 0.0, color: Color = "blue") -> Prop:
    """Returns a parcel, 0.35 by 0.25 and 0.25 high, that an avatar can carry."""
    return Prop(Box(0.35, 0.25, 0.25), position, heading, mass=1.0, color=color, portable=True)
