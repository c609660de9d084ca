"""The worlds as arrays: the first axis is always the world, the second the avatar or the thing.

Tasks, sensors and scripted behaviours read these arrays; what a task may change while an episode
runs it changes through the methods here, for the worlds it names. Lengths are metres, angles
radians, forces newtons. Positions are float64, so that a replay is exact.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from als_engine.checks import index_of, indices_of, per_world, whole_number
from als_engine.errors import ArgumentError, LayoutError, unknown
from als_engine.geometry import portable_math as pmath
from als_engine.world.arrays import (
    NOTHING,
    Avatars,
    Bodies,
    Body,
    BoolArray,
    Events,
    FloatArray,
    IntArray,
    Parts,
    Props,
    Sounds,
    Walls,
)
from als_engine.world.fitting import check_spawns, set_bounds
from als_engine.world.hinges import Hinges, LeafRows, hang
from als_engine.world.layout import Layout
from als_engine.world.moments import digest
from als_engine.world.screens import Screens, Signs
from als_engine.world.speech import Speech, Verb


@dataclass(frozen=True, slots=True)
class Quantity:
    """An array of a task's own, one entry per world: vital signs, open orders, the score.

    Attributes:
        shape: of one world's entry.
        dtype: of the array.
        initial: what a reset puts there, unless the layout's `quantities` say otherwise.
    """

    shape: tuple[int, ...] = ()
    dtype: DTypeLike = np.float64
    initial: ArrayLike = 0


class Memory(Protocol):
    """Interface of whatever remembers the worlds at some moment, such as a navigator's map."""

    def remembered(self, worlds: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
        """The memory of some worlds: arrays by name whose first axis is these worlds."""

    def remember(self, worlds: NDArray[np.intp], saved: Mapping[str, NDArray[Any]]) -> None:
        """Goes by that from now on.

        Raises:
            SnapshotError: it is not of such worlds.
        """


class WorldState:
    """All worlds of one simulation.

    Attributes:
        avatars, props, parts, hinges, walls, signs, sounds, events: the arrays, by what they are
            about; `parts` are those of props of several, `hinges` make doors of props.
        instructions: `instructions[world][avatar]`, what each avatar was told.
        instruction_version: (worlds,) goes up whenever an instruction of that world changes.
        quantities: the task's own arrays by name; `state["score"]` is short for one.
        bodies: the avatars' measures, (avatars,) arrays.
        level: (worlds,) int64. step: (worlds,) int64 steps since reset. key: (worlds,) uint64, the
            root of each world's in-episode randomness.
        time_step: seconds per step. max_episode_steps: the time limit.
        first_world: the number of world 0 in error messages.
        utterances: every sentence that avatars can say. speech: their verbs and slots.
        bounds: (worlds, 4) x and y of the lower and the upper corner of the content.
        behaviour: (worlds, avatars) index of the scripted behaviour that drives an avatar, NOTHING
            for those that the caller drives.
        moved: (worlds, props) bool; set when a prop was moved, shown, picked up or put
            down, until the physics has taken it over.
    """

    def __init__(
        self,
        num_worlds: int,
        bodies: Sequence[Body],
        example: Layout,
        quantities: Mapping[str, Quantity],
        utterances: Sequence[str | Verb] = (),
        time_step: float = 1 / 15,
        max_episode_steps: int = 1_000,
        first_world: int = 0,
    ) -> None:
        """Allocates the arrays; `example` is any layout of the scenario, for its names."""
        self.num_worlds, self.num_avatars = num_worlds, len(bodies)
        self.bodies = Bodies(bodies)
        self.time_step, self.max_episode_steps = time_step, max_episode_steps
        self.first_world = first_world
        self.speech = Speech(utterances)
        self.utterances = self.speech.sentences
        self.avatars = Avatars(num_worlds, bodies, len(example.props))
        self.props = Props(num_worlds, list(example.props))
        self.parts = Parts(num_worlds)
        self.hinges = Hinges(num_worlds, len(example.props))
        self.walls = Walls(num_worlds, max(1, len(example.walls)))
        self.signs = Signs(num_worlds, list(example.signs))
        self.screens = Screens(num_worlds, example.screens)
        self.sounds = Sounds(num_worlds, list(example.sounds))
        self.events = Events(num_worlds, len(bodies))
        self.instructions = [[""] * len(bodies) for _ in range(num_worlds)]
        self.instruction_version = np.zeros(num_worlds, np.int64)
        self.declared = dict(quantities)
        self.quantities: dict[str, NDArray[Any]] = {
            name: np.zeros((num_worlds, *q.shape), q.dtype) for name, q in quantities.items()
        }
        self.level = np.zeros(num_worlds, np.int64)
        self.step = np.zeros(num_worlds, np.int64)
        self.key = np.zeros(num_worlds, np.uint64)
        self.bounds = np.zeros((num_worlds, 4))
        self.behaviour: IntArray = np.full((num_worlds, len(bodies)), NOTHING, np.int32)
        self.moved: BoolArray = np.zeros((num_worlds, len(example.props)), np.bool_)
        self._memories: list[weakref.ref[Memory]] = []

    @property
    def said_verb(self) -> IntArray:
        """(worlds, avatars): the phrase or verb that was said in this step, or NOTHING."""
        return self.speech.verb[self.avatars.utterance]

    @property
    def said_slot(self) -> IntArray:
        """(worlds, avatars): the slot of the verb that was said in this step, or NOTHING."""
        return self.speech.slot[self.avatars.utterance]

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The task's own array of that name, (worlds, ...)."""
        return self.quantities[name]

    def __getstate__(self) -> dict[str, Any]:
        """A copy is of the arrays; who has seen these worlds has not seen those."""
        return {**vars(self), "_memories": []}

    def attach(self, memory: Memory) -> None:
        """Lets snapshots of these worlds hold what somebody remembers of them, while it lives."""
        self._memories = [each for each in self._memories if each() is not None]
        self._memories.append(weakref.ref(memory))

    @property
    def memories(self) -> list[Memory]:
        """The attached memories, in the order of attaching."""
        return [memory for each in self._memories if (memory := each()) is not None]

    def load(self, world: int, layout: Layout, level: int, key: int) -> None:
        """Writes a layout into one world: the start of an episode.

        Raises:
            LayoutError: it cannot be built, or its names differ from the scenario's other levels.
        """
        layout.check(self.num_avatars)
        for what, ours, theirs in (
            ("props", self.props.names, layout.props),
            ("signs", self.signs.names, layout.signs),
            ("sounds", self.sounds.names, layout.sounds),
            ("screens", self.screens.names, layout.screens),
        ):
            if ours != tuple(theirs):
                raise LayoutError(
                    f"level {level} names the {what} {tuple(theirs)}, other levels {ours}: every "
                    f"level needs the same names (use present=False for what a level lacks)"
                )
        self.level[world], self.step[world], self.key[world] = level, 0, key
        self.walls.load(world, layout.walls)
        self.props.load(world, layout.props)
        self.parts.load(world, layout.props)
        self.hinges.load(world, layout.props)
        self.hang(np.array([world]))
        self.signs.load(world, layout)
        self.sounds.load(world, layout)
        self.screens.load(world, layout.screens)
        self.avatars.load(world, layout.spawns)
        self.events.clear(world)
        self.moved[world] = False
        told = layout.instruction
        self.instructions[world] = [told] * self.num_avatars if isinstance(told, str) else [*told]
        self.instruction_version[world] += 1
        for name in layout.quantities:
            if name not in self.declared:
                raise LayoutError(unknown("quantity", name, self.declared))
        for name, quantity in self.declared.items():
            self.quantities[name][world] = layout.quantities.get(name, quantity.initial)
        check_spawns(self, world)
        set_bounds(self, world)

    # -- what a task may change while an episode runs -------------------------------------------

    def write(self, sign: str, worlds: ArrayLike, texts: Sequence[str] | str) -> None:
        """Puts new texts on a sign, in the worlds of a mask or of an index list."""
        index = index_of("sign", sign, self.signs.names)
        for world, text in per_world(self.which(worlds), texts):
            self.signs.write(world, index, text)

    def display(self, screen: str, worlds: ArrayLike, picture: ArrayLike | None) -> None:
        """Lets a screen show another picture, (rows, columns, 3) or one for each world, or none.

        Raises:
            LayoutError: it is no picture of the size that this screen shows.
        """
        index, which = index_of("screen", screen, self.screens.names), self.which(worlds)
        if picture is not None:
            array = np.asarray(picture)
            if array.ndim == 4 and len(array) != len(which):
                raise ArgumentError(f"{len(array)} pictures for {len(which)} worlds")
            for i, world in enumerate(which.tolist()):
                self.screens.write(world, index, array[i] if array.ndim == 4 else array)
        self.screens.on[which, index] = picture is not None

    def say(self, sound: str, worlds: ArrayLike, texts: Sequence[str] | str) -> None:
        """Lets a sound source's voice say new texts; an empty text switches the source off."""
        index = index_of("sound", sound, self.sounds.names)
        for world, text in per_world(self.which(worlds), texts):
            self.sounds.text[world][index] = text
            self.sounds.on[world, index] = bool(text)
            self.sounds.version[world] += 1

    def switch(self, sound: str, worlds: ArrayLike, on: ArrayLike = True) -> None:
        """Switches a sound source on or off: `on` is one bool or one for each world."""
        self.sounds.on[self.which(worlds), index_of("sound", sound, self.sounds.names)] = on

    def instruct(
        self, worlds: ArrayLike, texts: Sequence[str] | str, avatar: int | None = None
    ) -> None:
        """Tells one avatar, or all of them, something new."""
        for world, text in per_world(self.which(worlds), texts):
            told = self.instructions[world]
            if avatar is None:
                told[:] = [text] * self.num_avatars
            else:
                told[avatar] = text
            self.instruction_version[world] += 1

    def move(
        self, prop: str, worlds: ArrayLike, position: ArrayLike, heading: ArrayLike = 0.0
    ) -> None:
        """Puts a prop somewhere else, at rest: `position` is (3,) or one row for each world.

        Raises:
            ArgumentError: there is no such prop or world, or it is a door.
        """
        index, which = index_of("prop", prop, self.props.names), self.which(worlds)
        if self.hinges.hinged[which, index].any():
            raise ArgumentError(f"{prop!r} is a door, which stays at its hinge: see state.open")
        self.props.position[which, index] = position
        half_angle = np.broadcast_to(np.asarray(heading) / 2, which.shape)
        self.props.orientation[which, index] = 0.0
        self.props.orientation[which, index, 2] = pmath.sin(half_angle)
        self.props.orientation[which, index, 3] = pmath.cos(half_angle)
        self.props.velocity[which, index] = 0.0
        self._release(which, index)
        self.moved[which, index] = True

    def place(
        self, avatar: int, worlds: ArrayLike, position: ArrayLike, heading: ArrayLike | None = None
    ) -> None:
        """Puts an avatar somewhere else, at rest, and takes it into the world if it was absent.

        What it carries comes along.

        Args:
            avatar: its number.
            worlds: indices or a mask.
            position: (x, y) of its feet, metres, or one row for each world.
            heading: radians, or one for each world; None for the one that it has.

        Raises:
            ArgumentError: there is no such avatar or world, or that is no place.
        """
        index, which = self._avatar(avatar), self.which(worlds)
        before = self.avatars.position[which, index]
        self.avatars.put(which, index, position, heading)
        row, prop = np.nonzero(self.props.holder[which] == index)
        moved = self.avatars.position[which, index] - before
        self.props.position[which[row], prop] += moved[row]

    def _avatar(self, avatar: int) -> int:
        return whole_number("avatar", avatar, 0, self.num_avatars - 1)

    def show(self, thing: str | int, worlds: ArrayLike, present: bool = True) -> None:
        """Takes a prop, or the avatar of a number, into the world or out of it.

        An avatar that leaves lays down what it carries; it comes back where it left. One that is
        absent is not seen, heard or felt, senses nothing, and gets no reward.

        Raises:
            ArgumentError: there is no such prop, avatar or world.
        """
        which = self.which(worlds)
        if not isinstance(thing, str):
            self._show_avatar(self._avatar(thing), which, present)
            return
        index = index_of("prop", thing, self.props.names)
        self.props.present[which, index] = present
        if not present:
            self._release(which, index)
        self.moved[which, index] = True
        self.hang(which)

    def _show_avatar(self, avatar: int, worlds: NDArray[np.intp], present: bool) -> None:
        avatars, feet = self.avatars, self.avatars.position[worlds, avatar]
        if present:
            back = worlds[~avatars.present[worlds, avatar]]
            avatars.put(back, avatar, avatars.position[back, avatar], None)
            return
        self.moved[worlds] |= self.props.drop(worlds, avatar, feet)
        avatars.held[worlds, avatar] = NOTHING
        avatars.leave(worlds, avatar)
        self.events.bumped[worlds, avatar] = False

    def open(self, door: str, worlds: ArrayLike, open: bool = True) -> None:
        """Lets a door swing open or shut; how far it is says `hinges.angle`.

        Raises:
            ArgumentError: there is no such prop or world, or it is no door.
        """
        index, which = index_of("prop", door, self.props.names), self.which(worlds)
        if not self.hinges.hinged[which, index].all():
            raise ArgumentError(f"{door!r} is no door: its prop has no hinge")
        self.hinges.target[which, index] = self.hinges.limit[which, index] if open else 0.0

    def hang(self, worlds: NDArray[np.intp]) -> None:
        """Puts the doors of some worlds where their angles say."""
        if self.hinges.in_use:
            walls, hinges = self.walls, self.hinges
            doors = int(hinges.hinged[worlds].sum(1).max(initial=0))
            walls.make_room(int(walls.count[worlds].max(initial=0)) + doors)
            hang(worlds, hinges.rows(), LeafRows.of(walls, self.props))

    def _release(self, worlds: NDArray[np.intp], prop: int) -> None:
        holder = self.props.holder[worlds, prop]
        held = holder != NOTHING
        held &= self.avatars.held[worlds, holder] == prop
        self.avatars.held[worlds[held], holder[held]] = NOTHING
        self.props.holder[worlds, prop] = NOTHING

    def which(self, worlds: ArrayLike) -> NDArray[np.intp]:
        """The indices of the worlds that a mask, a list of indices or one index names.

        Raises:
            ArgumentError: the mask has another length, or there is no such world.
        """
        return indices_of(worlds, self.num_worlds)

    # -- questions ------------------------------------------------------------------------------

    def prop(self, name: str) -> int:
        """The index of a prop.

        Raises:
            ArgumentError: there is none of that name.
        """
        return index_of("prop", name, self.props.names)

    def position(self, name: str) -> FloatArray:
        """Where something is.

        Returns:
            (worlds, 3) for a prop, sign, sound or "avatar_2"; (worlds, avatars, 3) for "avatars".

        Raises:
            ArgumentError: there is nothing of that name.
        """
        if name == "avatars":
            return self.avatars.position
        number = name.removeprefix("avatar_")
        if number != name and number.isdecimal() and int(number) < self.num_avatars:
            return self.avatars.position[:, int(number)]
        for group in (self.props, self.signs, self.screens, self.sounds):
            if name in group.names:
                return group.position[:, group.names.index(name)]
        known = ("avatars", *self.props.names, *self.signs.names, *self.sounds.names)
        known += self.screens.names
        raise ArgumentError(unknown("thing", name, known))

    def distance(self, one: str, other: str) -> FloatArray:
        """Horizontal distance between centres, metres.

        Returns:
            (worlds,), or (worlds, avatars) where one of the two is "avatars".
        """
        a, b = self.position(one), self.position(other)
        if a.ndim < b.ndim:
            a = a[:, None]
        elif b.ndim < a.ndim:
            b = b[:, None]
        return pmath.hypot(a[..., 0] - b[..., 0], a[..., 1] - b[..., 1])

    def near(self, one: str, other: str, within: float) -> BoolArray:
        """Whether two things are at most `within` metres apart; shapes as in `distance`."""
        return self.distance(one, other) <= within

    def touching(self, one: str, other: str) -> BoolArray:
        """Contacts of this step; one of the two must be "avatars".

        Returns:
            (worlds, avatars) with a prop's name, (worlds, avatars, avatars) with "avatars".
        """
        if one != "avatars":
            one, other = other, one
        if one != "avatars":
            raise ArgumentError(f'one of {one!r} and {other!r} must be "avatars"')
        if other == "avatars":
            return self.avatars.touches_avatar
        return self.avatars.touches_prop[:, :, self.prop(other)]

    def uniform(self, stream: int, shape: Sequence[int] = ()) -> FloatArray:
        """Random numbers in [0, 1), (worlds, *shape).

        Each is a fixed function of its world's key and step, of the `stream` number and of its
        place in `shape`, so it never depends on how many worlds there are or on who else draws.
        """
        count = int(np.prod(shape, dtype=np.int64))
        counter = (self.step.astype(np.uint64) << np.uint64(20)) + np.uint64(stream << 52)
        seed = _splitmix(self.key + counter)
        draws = _splitmix(seed[:, None] + np.arange(count, dtype=np.uint64)[None, :])
        unit = (draws >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return unit.reshape(self.num_worlds, *shape)

    def digest(self, world: int) -> bytes:
        """A 16-byte hash of everything in one world, quantities included."""
        return digest(self, world)


def _splitmix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # SplitMix64's finaliser (Steele, Lea and Flood 2014); the sum wraps around on purpose.
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
