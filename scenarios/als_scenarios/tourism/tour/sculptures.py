"""The shapes of what stands on the museum's plinths. Lengths are metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from als_engine import Box, Cylinder, Part, Shape, Sphere


@dataclass(frozen=True, slots=True)
class Statue(Shape):
    """A figure with one arm raised."""

    def parts(self) -> Sequence[Part]:
        """Robe, shoulders, head, and the arms."""
        return (
            Part(Cylinder(0.14, 0.62), (0.0, 0.0, 0.31)),
            Part(Box(0.46, 0.14, 0.1), (0.0, 0.0, 0.64)),
            Part(Sphere(0.105), (0.0, 0.0, 0.8)),
            Part(Box(0.08, 0.08, 0.36), (0.21, 0.0, 0.84)),
            Part(Box(0.08, 0.08, 0.34), (-0.21, 0.0, 0.47)),
        )


@dataclass(frozen=True, slots=True)
class Vase(Shape):
    """A vase with a foot, a belly, a neck and a rim."""

    def parts(self) -> Sequence[Part]:
        """From below to above."""
        return (
            Part(Cylinder(0.13, 0.06), (0.0, 0.0, 0.03)),
            Part(Sphere(0.22), (0.0, 0.0, 0.25)),
            Part(Cylinder(0.09, 0.28), (0.0, 0.0, 0.52)),
            Part(Cylinder(0.16, 0.05), (0.0, 0.0, 0.67)),
        )


@dataclass(frozen=True, slots=True)
class Column(Shape):
    """What is left of a temple's column."""

    def parts(self) -> Sequence[Part]:
        """Base, drums and a broken capital."""
        return (
            Part(Box(0.4, 0.4, 0.08), (0.0, 0.0, 0.04)),
            Part(Cylinder(0.15, 0.6), (0.0, 0.0, 0.38)),
            Part(Cylinder(0.19, 0.06), (0.0, 0.0, 0.71)),
            Part(Box(0.24, 0.4, 0.09), (0.06, 0.0, 0.78), 0.3),
        )


@dataclass(frozen=True, slots=True)
class Skeleton(Shape):
    """The bones of an animal with a long neck."""

    def parts(self) -> Sequence[Part]:
        """Legs, ribs, spine, neck, head and tail."""
        legs = [Part(Box(0.05, 0.22, 0.32), (x, 0.0, 0.16)) for x in (-0.17, 0.17)]
        ribs = [Part(Box(0.05, 0.2, 0.18), (x, 0.0, 0.36)) for x in (-0.06, 0.06)]
        return (
            *legs,
            *ribs,
            Part(Box(0.52, 0.05, 0.05), (0.0, 0.0, 0.46)),
            Part(Cylinder(0.03, 0.3), (0.26, 0.0, 0.6)),
            Part(Box(0.2, 0.09, 0.09), (0.31, 0.0, 0.77)),
            Part(Box(0.3, 0.04, 0.04), (-0.36, 0.0, 0.38)),
        )
