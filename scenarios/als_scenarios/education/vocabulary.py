"""A vocabulary lesson: the smallest world in which words mean something."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from als_engine import Box, Cylinder, Layout, Prop, Quantity, Room, Spawn, Sphere, Task, WorldState
from als_engine.bodies.avatar import Commands
from als_engine.checks import whole_number
from als_engine.errors import ArgumentError
from als_engine.geometry import portable_math as pmath
from als_engine.navigation import Navigator, steer
from als_engine.task import Act, Split, add_terms, block_of, split_of
from als_engine.world.arrays import NOTHING, BoolArray, FloatArray

__all__ = ["COLORS", "SHAPES", "Vocabulary", "named_in"]

SIDE: Final = 9.0
LEAST_SIDE: Final = 6.0
"""The smallest room for two things, metres; every further one takes a metre more."""
COLORS: Final = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES: Final = {"box": Box(0.5, 0.5, 0.7), "ball": Sphere(0.3), "post": Cylinder(0.25, 1.1)}
MOST: Final = 5

LEAST_ALIKE, MOST_ALIKE = 10, 1_000
"""Fewest and most levels whose words are exchanged alike: no exchange comes twice in all splits."""

EXCHANGES: Final = math.factorial(len(COLORS)) * math.factorial(len(SHAPES))
"""Ways to exchange the words, with the one that changes nothing: 4,320."""

_STEP: Final = 1_511

REACH: Final = 0.8
"""Whose middle is no farther from a thing's has reached it, metres."""

CLEARANCE: Final = 0.75
CLOSE: Final = 1.3
"""How far the expert keeps from other things, and from where it walks straight to the right one."""

RIGHT, WRONG, NEARER = 5.0, -0.5, 1.0


def named_in(color: int, shape: int) -> Split:
    """The only split that names this pair.

    The test split has two colours of each shape and each colour once; validation has one colour of
    each shape.
    """
    if (color + shape) % 3 == 0:
        return "test"
    return "validation" if (color + shape) % 6 == 1 else "train"


def said(color: int, shape: int, exchange: int) -> tuple[str, str]:
    """The words for a colour and a shape.

    Args:
        color: index into `COLORS`.
        shape: index into `SHAPES`.
        exchange: below `EXCHANGES`; with 0 they mean what they say.
    """
    of_colors, of_shapes = divmod(exchange, math.factorial(len(SHAPES)))
    colors, shapes = _permuted(COLORS, of_colors), _permuted(tuple(SHAPES), of_shapes)
    return colors[color], shapes[shape]


def _permuted(words: Sequence[str], number: int) -> list[str]:
    """One of the orders of some words; 0 is their own (Lehmer's code)."""
    left, order = list(words), []
    while left:
        which, number = divmod(number, math.factorial(len(left) - 1))
        order.append(left.pop(which))
    return order


class Vocabulary(Task):
    """Walk to the thing that is named.

    ## Description

    Coloured boxes, balls and posts stand about a room of 9 by 9 metres. The instruction names one
    of them, such as "go to the blue ball"; a phrase among several says it, so that the words have
    to be read and not the sentence. Whoever comes within 0.8 metres of a thing has chosen it, and
    the episode ends. There is one pupil.

    Splits: of the 18 pairs of colour and shape the train split has 9, as what is named and as what
    stands beside it; each colour and each shape is among them. The validation split names one of 3
    others, with any of these 12 beside it. The test split names one of the last 6, which are met
    nowhere else, with any pair beside it.

    ## Observations

    By default `entities`, `text` and `proprioception`; `rgb` and all others of the engine on
    request. In `entities` a thing has its colour, its size and whether it is round; which of the
    rows is meant only the text tells.

    ## Actions

    The engine's discrete, continuous or factored actions; walking and turning are all it takes.

    ## Rewards

    | term | reward |
    | --- | --- |
    | choice | +5 for the thing that was named, -0.5 for another |
    | progress | 1 per metre nearer to what was named, minus 1 per metre away |

    Progress is the difference of a potential (Ng, Harada and Russell 1999) and adds up to the
    distance from the start. An expert's return is about 8, that of random actions about 0. A choice
    at random is worth about 1.3, so that walking up to things can be learnt before words.

    ## Episode end

    Terminated when something has been chosen; truncated after 150 steps. The expert takes about
    50. It is a success when what was named was chosen.

    ## Arguments

    - `num_things` (3): 2 to 5 things in the room.
    - `side` (9): edge of the room, 6 to 9 metres. Two things fit into the smallest, and ways are so
      short that an episode takes about 15 steps.
    - `meanings` (0): 0, where words mean what they say. From 10 to 1,000, the words for colours are
      exchanged among themselves and those for shapes as well, in the same way in as many levels
      that follow one another: what a word means has to be found out in them. No two splits share
      such an exchange. The expert knows it.
    - `num_avatars` (1): one pupil.

    ## Metrics

    - `success`: the thing that was named was chosen.
    - `chosen`: something was chosen.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("entities", "text", "proprioception")
    utterances: ClassVar[tuple[str, ...]] = ("yes", "no")
    reward_names: ClassVar[tuple[str, ...]] = ("choice", "progress")

    def __init__(
        self,
        num_avatars: int = 1,
        num_things: int = 3,
        meanings: int = 0,
        side: float = SIDE,
    ) -> None:
        """Makes the lesson.

        Raises:
            ArgumentError: `num_things` is not from 2 to 5, `meanings` not 0 or from 10 to 1,000, or
                `side` not from 6 to 9, or so small that the things do not fit.
        """
        super().__init__(num_avatars)
        self.num_things = whole_number("num_things", num_things, 2, MOST)
        self.meanings = whole_number("meanings", meanings, 0, MOST_ALIKE)
        if 0 < self.meanings < LEAST_ALIKE:
            raise ArgumentError(
                f"meanings must be 0, or from {LEAST_ALIKE} to {MOST_ALIKE}, got {meanings}"
            )
        least = LEAST_SIDE + self.num_things - 2
        whole = isinstance(side, (int, float)) and not isinstance(side, bool)
        if not whole or not min(least, SIDE) <= side <= SIDE:
            raise ArgumentError(
                f"side must be {least:g} to {SIDE:g} metres for {num_things} things, got {side!r}"
            )
        self.side = float(side)
        # A cache of the way through each world's room; it never changes a result.
        self._navigator: Navigator | None = None

    def quantities(self) -> Mapping[str, Quantity]:
        """The thing that is named, its distance, and the thing that was chosen."""
        return {
            "named": Quantity((), np.int32),
            "pair": Quantity((), np.int32),
            "distance": Quantity(),
            "nearer": Quantity(),
            "chosen": Quantity((), np.int32, NOTHING),
        }

    def concepts(self, layout: Layout) -> set[int]:
        """Which pair a level names: no two splits name the same."""
        return {int(np.asarray(layout.quantities["pair"]))}

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """Draws what is named, what stands beside it, and where."""
        pairs = [(color, shape) for color in range(len(COLORS)) for shape in range(len(SHAPES))]
        split = split_of(level)
        named = [pair for pair in pairs if named_in(*pair) == split]
        target = named[int(rng.integers(len(named)))]
        beside = [p for p in pairs if p != target and named_in(*p) in _SEEN[split]]
        chosen = [beside[i] for i in rng.permutation(len(beside))[: self.num_things - 1]]
        place = int(rng.integers(self.num_things))
        shown = [*chosen[:place], target, *chosen[place:]]
        room = Room(width=self.side, depth=self.side)
        start = room.free_spot(rng, radius=1.0)
        shapes = list(SHAPES.values())
        props = {
            f"thing_{i}": Prop(
                shapes[shape], room.free_spot(rng, radius=1.0, margin=0.05), color=COLORS[color]
            )
            for i, (color, shape) in enumerate(shown)
        }
        phrase = _PHRASES[int(rng.integers(len(_PHRASES)))]
        return Layout(
            walls=room.walls(),
            props=props,
            spawns=[Spawn(start, float(rng.uniform(-np.pi, np.pi)))],
            instruction=phrase.format(" ".join(said(*target, self._exchange(level)))),
            quantities={"named": place, "pair": pairs.index(target)},
        )

    def _exchange(self, level: int) -> int:
        """Which exchange of words a level has; 0 for none."""
        if not self.meanings:
            return 0
        # A step that shares no factor with their number meets every exchange once, scattered.
        return (1 + block_of(level, self.meanings)) * _STEP % EXCHANGES

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Measures the way."""
        state["distance"][worlds] = self._away(state)[worlds, state["named"][worlds]]
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state, clearance=CLEARANCE)
            self._navigator.refresh()
        else:
            self._navigator.refresh(worlds)

    def after_step(self, state: WorldState) -> None:
        """Sees who has come nearer, and to what."""
        away = self._away(state)
        distance = away[np.arange(state.num_worlds), state["named"]]
        state["nearer"][:] = state["distance"] - distance
        state["distance"][:] = distance
        nearest = away.argmin(1)
        state["chosen"][:] = np.where(away.min(1) < REACH, nearest, NOTHING)

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """The choice, and the way to it."""
        right, any_thing = self.success(state), self.terminated(state)
        choice = np.where(right, RIGHT, np.where(any_thing, WRONG, 0.0))
        return {
            "choice": self.everyone(choice),
            "progress": self.everyone(NEARER * state["nearer"]),
        }

    def terminated(self, state: WorldState) -> BoolArray:
        """Something has been chosen."""
        return np.asarray(state["chosen"] != NOTHING)

    def success(self, state: WorldState) -> BoolArray:
        """The thing that was named has been chosen."""
        return np.asarray(state["chosen"] == state["named"])

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[np.bool_]]:
        """Whether anything was chosen."""
        return {"chosen": self.terminated(state)}

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Goes around all others to what was named, and straight up to it in the end."""
        self._choose(state, who, commands, state["named"])

    def heuristics(self) -> Mapping[str, Act]:
        """Going to the nearest thing, whatever was named."""
        return {"nearest": self._nearest}

    def _nearest(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        self._choose(state, who, commands, self._away(state).argmin(1))

    def _choose(
        self, state: WorldState, who: BoolArray, commands: Commands, thing: NDArray[np.integer]
    ) -> None:
        """Walks up to a thing, (worlds,)."""
        assert self._navigator is not None
        worlds = np.arange(state.num_worlds)
        goals = state.props.position[worlds, thing, None, :2]
        away = goals - state.avatars.position[..., :2]
        close = self._away(state)[worlds, thing, None] < CLOSE
        self._navigator.walk(goals, commands, who & ~close)
        steer(state, away / CLOSE, commands, who & close)

    def _away(self, state: WorldState) -> FloatArray:
        """How far the pupil is from each thing, (worlds, things)."""
        away = state.props.position[..., :2] - state.avatars.position[:, :1, :2]
        return np.asarray(pmath.hypot(away[..., 0], away[..., 1]))


_SEEN: Final[Mapping[str, tuple[Split, ...]]] = {
    "train": ("train",),
    "validation": ("train", "validation"),
    "test": ("train", "validation", "test"),
}
"""Split to the splits whose pairs may stand in its rooms."""

_PHRASES: Final = ("go to the {}", "find the {}", "walk up to the {}", "the {}, please")
