"""Shapes: how props look and collide, made of boxes, balls and upright cylinders.

Three shapes are the engine's own. A plugin adds one as a subclass of `Shape`, which says of which
parts it consists; footprint, colliders of both physics engines, camera and navigation follow from
the parts. Lengths are metres, angles radians.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from als_engine.errors import LayoutError, PluginError
from als_engine.geometry import portable_math as pmath
from als_engine.plugins.registry import registry

__all__ = ["MAX_PARTS", "Box", "Cylinder", "Part", "Shape", "Sphere", "form_of"]

SHAPE_BOX, SHAPE_SPHERE, SHAPE_CYLINDER, SHAPE_COMPOUND = 0, 1, 2, 3
"""The codes of shapes in `props.shape`; the parts of a compound are in `WorldState.parts`."""

MAX_PARTS: Final = 16
"""The most parts of a shape: as many as Bullet takes."""

_SAME: Final = 1e-12

Vector: TypeAlias = "tuple[float, float, float]"


class Shape(ABC):
    """Base of the shapes that plugins bring; a subclass is best a frozen dataclass.

    The mass of a shape of several parts is spread as in the box around it.
    """

    __slots__ = ()

    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """Its parts, 1 to 16, which may overlap.

        They stand in any frame whose z points up: the engine moves the middle of the box around all
        of them to the prop's position.
        """

    @property
    def half(self) -> Vector:
        """Half extents along x, y and z of the box around all parts, metres."""
        low, high = _around(self.parts())
        return tuple((b - a) / 2 for a, b in zip(low, high, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Box(Shape):
    """A box of full edge lengths along x, y and z before its heading is applied, metres."""

    width: float
    depth: float
    height: float

    def parts(self) -> Sequence[Part]:
        """Itself."""
        return (Part(self),)

    @property
    def half(self) -> Vector:
        """Half extents along x, y and z, metres."""
        return (self.width / 2, self.depth / 2, self.height / 2)


@dataclass(frozen=True, slots=True)
class Sphere(Shape):
    """A ball, metres."""

    radius: float

    def parts(self) -> Sequence[Part]:
        """Itself."""
        return (Part(self),)

    @property
    def half(self) -> Vector:
        """Half extents along x, y and z, metres."""
        return (self.radius, self.radius, self.radius)


@dataclass(frozen=True, slots=True)
class Cylinder(Shape):
    """An upright cylinder, metres."""

    radius: float
    height: float

    def parts(self) -> Sequence[Part]:
        """Itself."""
        return (Part(self),)

    @property
    def half(self) -> Vector:
        """Half extents along x, y and z, metres."""
        return (self.radius, self.radius, self.height / 2)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a shape.

    Attributes:
        shape: a `Box`, `Sphere` or `Cylinder`.
        position: (x, y, z) of its centre in the shape's frame, metres.
        heading: rotation about z in that frame, radians.
    """

    shape: Box | Sphere | Cylinder
    position: Sequence[float] = (0.0, 0.0, 0.0)
    heading: float = 0.0


class Form(NamedTuple):
    """A shape as the engine takes it.

    Attributes:
        code: SHAPE_BOX, SHAPE_SPHERE, SHAPE_CYLINDER or SHAPE_COMPOUND.
        half: half extents of the box around it, metres.
        parts: of a compound: (code, half extents, centre from the shape's middle, heading).
    """

    code: int
    half: Vector
    parts: tuple[tuple[int, Vector, Vector, float], ...] = ()

    @property
    def is_round(self) -> bool:
        """Whether it is a disc seen from above."""
        return self.code in (SHAPE_SPHERE, SHAPE_CYLINDER)


_OWN: Final[dict[type, int]] = {
    Box: SHAPE_BOX,
    Sphere: SHAPE_SPHERE,
    Cylinder: SHAPE_CYLINDER,
}
_known: dict[type, str] = {}


def form_of(shape: Any) -> Form:
    """Returns a shape as the engine takes it.

    Raises:
        LayoutError: nobody offers a shape of that class, or its parts are not what they must be.
    """
    code = _OWN.get(type(shape))
    if code is not None:
        return Form(code, shape.half)
    name = _name_of(type(shape))
    parts = _checked(name, shape)
    if len(parts) == 1 and parts[0].heading == 0.0:
        return form_of(parts[0].shape)
    low, high = _around(parts)
    middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
    half = tuple((b - a) / 2 for a, b in zip(low, high, strict=True))
    if max(abs(a - b) for a, b in zip(half, shape.half, strict=True)) > _SAME:
        raise LayoutError(f'half of the shape "{name}" is not half of the box around its parts')
    rows = []
    for part in parts:
        offset = tuple(float(a) - b for a, b in zip(part.position, middle, strict=True))
        rows.append((_OWN[type(part.shape)], part.shape.half, offset, float(part.heading)))
    return Form(SHAPE_COMPOUND, half, tuple(rows))  # type: ignore[arg-type]


def _name_of(kind: type) -> str:
    """The name under which a plugin offers a class."""
    if kind not in _known:
        reference = f"{kind.__module__}:{kind.__qualname__}"
        for spec in registry.shapes():
            if spec.shape == reference or _loads(spec, kind):
                _known[kind] = spec.id
                break
        else:
            names = ", ".join(
                [*(each.__name__ for each in _OWN), *(s.id for s in registry.shapes())]
            )
            raise LayoutError(
                f"unknown shape {kind.__name__}; known: {names} (a plugin offers its own through "
                "the hook als_shapes)"
            )
    return _known[kind]


def _loads(spec: Any, kind: type) -> bool:
    """Whether a spec names this class; one that cannot be loaded is somebody else's trouble."""
    try:
        return registry.load(spec) is kind
    except PluginError:
        return False


def _checked(name: str, shape: Any) -> list[Part]:
    """The parts of a plugin's shape, each of them sound."""
    if not isinstance(shape, Shape):
        raise LayoutError(f'the shape "{name}" must be a subclass of Shape')
    parts = list(shape.parts())
    if not 1 <= len(parts) <= MAX_PARTS:
        raise LayoutError(f'the shape "{name}" has {len(parts)} parts, allowed: 1 to {MAX_PARTS}')
    _check_parts(f'the shape "{name}"', parts)
    return parts


def primitives(
    what: str, parts: Sequence[Part]
) -> list[tuple[int, Vector, tuple[float, float, float], float]]:
    """Code, half extents, centre and heading of each part.

    Raises:
        LayoutError: one is not what it must be; names `what` they are parts of.
    """
    given = list(parts)
    _check_parts(what, given)
    return [
        (_OWN[type(part.shape)], part.shape.half, tuple(map(float, part.position)), part.heading)  # type: ignore[misc]
        for part in given
    ]


def _check_parts(of: str, parts: Sequence[Any]) -> None:
    for i, part in enumerate(parts):
        what = f"part {i} of {of}"
        if not isinstance(part, Part) or type(part.shape) not in _OWN:
            raise LayoutError(
                f"{what} must be a Part of a Box, Sphere or Cylinder, got {part!r:.80}"
            )
        if len(part.position) != 3:
            raise LayoutError(f"{what} needs a position (x, y, z), got {part.position}")
        numbers = (*part.position, part.heading, *part.shape.half)
        if not all(math.isfinite(number) for number in numbers) or min(part.shape.half) <= 0:
            raise LayoutError(f"{what} has a size that is not positive, or a number not finite")


def _around(parts: Sequence[Part]) -> tuple[list[float], list[float]]:
    """The lower and the upper corner of the box around some parts."""
    lows, highs = [], []
    for part in parts:
        x, y, z = part.shape.half
        if isinstance(part.shape, Box):
            cos, sin = abs(pmath.cos(part.heading)), abs(pmath.sin(part.heading))
            x, y = float(cos * x + sin * y), float(sin * x + cos * y)
        lows.append([float(at) - reach for at, reach in zip(part.position, (x, y, z), strict=True)])
        highs.append(
            [float(at) + reach for at, reach in zip(part.position, (x, y, z), strict=True)]
        )
    return [min(axis) for axis in zip(*lows, strict=True)], [
        max(axis) for axis in zip(*highs, strict=True)
    ]
