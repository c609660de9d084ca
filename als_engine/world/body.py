"""Bodies: what avatars consist of and can be told, and effectors, which plugins bring in a file.

Lengths are metres, angles radians. A body's own frame has its origin between the feet, x ahead.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError, unknown
from als_engine.geometry import portable_math as pmath
from als_engine.world.layout import Color, rgb
from als_engine.world.shapes import Part, primitives

if TYPE_CHECKING:
    from als_engine.world.state import Quantity, WorldState

__all__ = ["COMMANDS", "HANDS", "LOCOMOTION", "Bodies", "Body", "Effector", "effectors_of"]

LOCOMOTION: Final = (
    "stay",
    "forward",
    "backward",
    "left",
    "right",
    "turn left",
    "turn right",
)
"""The ways to go, in the order in which every mode that chooses among them has them."""

HANDS: Final = ("rest", "pick up", "put down", "use")
"""What a hand does, in the order of `HAND_REST` and the others."""

COMMANDS: Final = (*LOCOMOTION[1:], *HANDS[1:])
"""What a body can be told, beside what its effectors can."""

_TAKEN: Final = ("action", "locomotion", "hand", "say", "slot")
REST: Final = "rest"


class Effector(ABC):
    """A part of a body that carries out commands of its own: a gripper, a second hand, a lamp.

    A subclass and what it declares is one file of a plugin; a `Body` names an instance. Its
    arrays are reset, hashed and kept in snapshots like a task's quantities.

    Attributes:
        name: of its command, of its observation and, with a dot, of its arrays.
        commands: what it can be told beside to rest, which is command 0; these are 1, 2, ...
        arrays: its own arrays, one entry for each avatar: `state["gripper.load"]` is (worlds,
            avatars, *shape).
        columns: of its observation `name`, one number from -1 to 1 each; without any there is none.
        color: of its look.
    """

    name: str
    commands: Sequence[str]
    arrays: ClassVar[Mapping[str, Quantity]] = {}
    columns: ClassVar[Sequence[str]] = ()
    color: Color = "grey"

    def parts(self) -> Sequence[Part]:
        """What it looks like: boxes, balls and cylinders in the body's frame; nobody meets them."""
        return ()

    @abstractmethod
    def act(self, state: WorldState, command: NDArray[np.int32], who: NDArray[np.bool_]) -> None:
        """Carries its commands out, in all worlds at once, after hands and voices.

        Args:
            state: changed through its methods, and through the arrays of this effector.
            command: (worlds, avatars), 0 to rest.
            who: (worlds, avatars), the avatars that have one and are in the world.
        """

    def observe(self, state: WorldState, out: NDArray[np.float32]) -> None:
        """Writes its columns for all avatars, (worlds, avatars, columns); they are 0 before."""


@dataclass(frozen=True, slots=True)
class Body:
    """An avatar's body: an upright capsule with a head, a hand, a voice, and effectors.

    Attributes:
        radius, height: metres.
        mass: kilograms.
        speed: metres per second at full walk; sideways and backward it is 0.7 of that.
        acceleration: metres per second squared; times the mass it bounds the push.
        turn_speed, turn_acceleration: radians per second (squared).
        color: of the clothes.
        commands: which of `COMMANDS` it can be told; by default all.
        effectors: what else it can be told.
    """

    radius: float = 0.25
    height: float = 1.7
    mass: float = 60.0
    speed: float = 2.0
    acceleration: float = 8.0
    turn_speed: float = 2.5
    turn_acceleration: float = 12.0
    color: str | tuple[int, int, int] = "blue"
    commands: Sequence[str] = COMMANDS
    effectors: Sequence[Effector] = ()

    def __post_init__(self) -> None:
        """Refuses a body that no world can hold.

        Raises:
            ArgumentError: names what is wrong.
        """
        for name in ("radius", "height", "mass"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(f"the {name} of a body must be above 0, got {self!r:.80}")
        if self.height < 2 * self.radius:
            raise ArgumentError(
                f"a body of radius {self.radius} must be at least {2 * self.radius} high, got "
                f"{self.height}"
            )
        for name in ("commands", "effectors"):
            given = getattr(self, name)
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise ArgumentError(f"the {name} of a body must be a list, got {given!r:.80}")
            object.__setattr__(self, name, tuple(given))
        for command in self.commands:
            if command not in COMMANDS:
                raise ArgumentError(unknown("command of a body", command, COMMANDS))
        names = [_checked(effector).name for effector in self.effectors]
        for name in names:
            if names.count(name) > 1:
                raise ArgumentError(f'a body has two effectors of the name "{name}"')


def _checked(effector: Any) -> Effector:
    if not isinstance(effector, Effector):
        raise ArgumentError(f"an effector must be an instance of Effector, got {effector!r:.80}")
    name, commands = getattr(effector, "name", None), getattr(effector, "commands", None)
    if not (isinstance(name, str) and name.isidentifier()):
        raise ArgumentError(
            f"the name of an effector must be letters, digits and underscores, got {name!r}"
        )
    if name in _TAKEN:
        raise ArgumentError(f'the effector "{name}" clashes with a part of every body')
    told = list(commands) if isinstance(commands, (tuple, list)) else []
    if not told or not all(isinstance(each, str) and each.strip() for each in told):
        raise ArgumentError(f'the effector "{name}" must have a list of commands, got {commands!r}')
    if len({REST, *told}) != len(told) + 1:
        raise ArgumentError(f'the effector "{name}" has a command twice, or "{REST}" among them')
    return effector


def effectors_of(bodies: Sequence[Body]) -> dict[str, Effector]:
    """The effectors that some bodies have, by name.

    Raises:
        ArgumentError: two that differ have the same name.
    """
    found: dict[str, Effector] = {}
    for body in bodies:
        for effector in body.effectors:
            other = found.setdefault(effector.name, effector)
            if not _same(other, effector):
                raise ArgumentError(
                    f'two effectors clash: "{effector.name}" is {type(other).__name__} for one '
                    f"body and {type(effector).__name__} for another, or made differently"
                )
    return found


def _same(one: Effector, other: Effector) -> bool:
    if one is other or type(one) is not type(other):
        return one is other
    plain = type(one).__eq__ is object.__eq__
    return vars(one) == vars(other) if plain else one == other


class Bodies:
    """What `Body` says, as arrays (avatars,): the same in every world.

    Attributes:
        effectors: those of all bodies, by name.
        has: effector's name to (avatars,) bool, who has one.
        looks: what the effectors look like, arrays (parts, ...): whose, form, half extents, centre
            in the body's frame, sine and cosine of the heading there, colour.
    """

    def __init__(self, bodies: Sequence[Body]) -> None:
        def column(name: str) -> NDArray[np.float64]:
            return np.array([getattr(body, name) for body in bodies], np.float64)

        self.radius, self.height, self.mass = column("radius"), column("height"), column("mass")
        self.speed, self.acceleration = column("speed"), column("acceleration")
        self.turn_speed = column("turn_speed")
        self.turn_acceleration = column("turn_acceleration")
        self.effectors = effectors_of(bodies)
        self.has = {
            name: np.array([name in [e.name for e in body.effectors] for body in bodies])
            for name in self.effectors
        }
        self.looks = _looks(bodies)


def _looks(bodies: Sequence[Body]) -> tuple[NDArray[Any], ...]:
    rows = [
        (avatar, form, half, offset, (pmath.sin(turn), pmath.cos(turn)), rgb(effector.color))
        for avatar, body in enumerate(bodies)
        for effector in body.effectors
        for form, half, offset, turn in primitives(
            f'the effector "{effector.name}"', effector.parts()
        )
    ]
    n = len(rows)
    owner, form, half, offset, turn, color = ([row[k] for row in rows] for k in range(6))
    return (
        np.array(owner, np.int32),
        np.array(form, np.uint8),
        np.array(half, np.float64).reshape(n, 3),
        np.array(offset, np.float64).reshape(n, 3),
        np.array(turn, np.float64).reshape(n, 2),
        np.array(color, np.uint8).reshape(n, 3),
    )
