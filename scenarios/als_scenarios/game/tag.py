"""ALS/Tag-v0: chasers run after evaders among pillars, boxes, walls and crates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np
from numpy.typing import NDArray

from als_engine.checks import one_of, whole_number
from als_engine.errors import ArgumentError, LayoutError
from als_engine.task import Act, Behaviour, Role, Task, add_terms
from als_engine.world import furniture
from als_engine.world.arrays import Body, BoolArray, FloatArray
from als_engine.world.layout import Box, Layout, Prop, Spawn
from als_engine.world.layout import rgb as color_of
from als_engine.world.room import Room
from als_engine.world.state import Quantity, WorldState
from als_scenarios.game.players import Players
from als_scenarios.game.rules import counts, over, potential, touched, worth

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

ROLES: Final = ("chaser", "evader")
CHASER: Final = Body(speed=2.2, color="red")
EVADER: Final = Body(speed=2.0, color="blue")
OUT_COLOR: Final = "grey"

SIDE: Final = 8.0
"""Edge of the arena for two avatars, metres; every further one adds `SIDE_EACH`."""
SIDE_EACH: Final = 0.5
MAX_SIDE: Final = 20.0
HEAD_START: Final = 3.5
"""How far apart, at least, chasers and evaders start, metres."""

PACES: Final = (0.1, 2.5)
"""How slow and how fast scripted players may run, times the usual."""
APART: Final = 0.65
"""What is kept free around pillars and boxes, so that players get through, metres."""
LEAST_APART: Final = 0.3
"""And around crates and inner walls."""
PLAYER: Final = 0.25
"""The radius of a player, metres."""
MOST_WALLS: Final = 3
"""Inner walls: fewer where levels are drawn, so many where they are edited."""

PILLARS: Final = ("pillar 1", "pillar 2", "pillar 3")
BOXES: Final = ("box 1", "box 2")
CRATES: Final = ("crate 1", "crate 2")


@dataclass(frozen=True)
class Rewards:
    """The weights of the reward's terms; each term sums to zero over the avatars.

    Attributes:
        tag: for tagging every evader there is: a chaser gets, and the evader loses, its share.
        free: per step, to each evader that is still free, from all chasers alike.
        closing: per metre by which a chaser comes closer to the nearest free evader.
    """

    tag: float = 10.0
    free: float = 0.01
    closing: float = 1.0


REWARDS: Final = Rewards()


class Tag(Task):
    """Chasers tag evaders by touching them; evaders keep away until the time is up.

    ## Description

    A walled arena, 8 by 8 metres for two avatars and half a metre wider for each further one, with
    round pillars, boxes, one or two high walls and light crates that can be pushed. Avatars are
    chasers (red) or evaders (blue). A chaser that touches a free evader tags it: the evader turns
    grey and is out. It can still walk about and be in the way, but no longer counts. Bodies are all
    but alike: a chaser runs 2.2 m/s, an evader 2 m/s. Chasers and evaders start at least 3.5 metres
    apart, at places and headings that the level draws.

    Avatars that the caller does not drive are scripted players. They run at 0.42 (chasers) and 0.6
    (evaders; 0.4 on the way to a shelter) of their top speed, so that a good player can win in
    either part. Each is met in one split only:

    | part | train | validation | test |
    | --- | --- | --- | --- |
    | evader | `wander` minds nobody, `flee` runs straight away, `corner` flees along the rim | \
`bolt` makes for open space | `hide` keeps obstacles between itself and the chaser, `zigzag` flees \
and swerves |
    | chaser | `direct` runs to where the nearest evader is, `pack` comes from all sides | \
`flank` comes from one side | `intercept` runs to where it will be |

    Until a chaser comes within 3.5 metres (`bolt` 4.5, `corner` 5, `hide` 6) every evader wanders.

    ## Observations

    `rgb`, `touch` and `proprioception` by default; `entities` and `proprioception` are enough and
    much faster to learn from. Tagged evaders are seen in grey. The instruction in `text` is
    "tag everyone in blue" for chasers, "keep away from everyone in red" for evaders, and "you are
    out" for an evader that was tagged.

    ## Actions

    The engine's usual ones. Nothing here can be picked up or used. Avatars can say "here" and
    "help", which has no effect on the rules.

    ## Rewards

    Zero-sum: in every step the rewards of all avatars add up to 0. The terms, called `tag`, `time`
    and `closing`, are:

    - Tag, 10 in all: with E evaders each tag is worth 10 / E, which the evader loses and the
      chasers that touch it share.
    - Time, 0.01 a step to each free evader, paid by all chasers alike.
    - Closing, 1 per metre: a chaser gets what it has come closer to the nearest free evader, and
      the free evaders pay it in equal parts. This is potential-based shaping (Ng, Harada and
      Russell 1999), for a discount of 1, with the potential of a chaser minus that distance: it
      adds up to the difference between the first and the last distance, whatever the players do.

    An expert chaser gains about 14 in an episode, one that acts at random loses 1 or 2. An expert
    evader ends near 0, one that acts at random loses 14.

    ## Episode end

    Terminates when all evaders are tagged; truncated after 240 steps (16 seconds).

    ## Arguments

    - `num_avatars`: 2 to 8, by default 2.
    - `role`: "chaser" (default) or "evader", the part of the caller's avatar, which is the first;
      avatars of that role come first.
    - `num_chasers`: how many chase; by default half of the avatars, rounded up.
    - `pace`: how fast the scripted players run, times the usual, 0.1 to 2.5, and never faster than
      they can; by default 1. The stages of a difficulty that follows the player are 0.2 to 2.
    - `side`: edge of the arena, metres, from the usual one to 20; by default the usual one. The
      same obstacles are farther apart in a larger arena.

    ## Metrics

    - `success`: all evaders are tagged; with `role="evader"`, avatar 0 is free when the time is up.
    - `tags`: how many evaders are tagged.
    - `time_to_first_tag`: steps; the time limit when there was none.

    ## Version history

    - v0: first version.
    """

    default_sensors: ClassVar[tuple[str, ...]] = ("rgb", "touch", "proprioception")
    utterances: ClassVar[tuple[str, ...]] = ("here", "help")
    reward_names: ClassVar[tuple[str, ...]] = ("tag", "time", "closing")
    stages: ClassVar[Sequence[Mapping[str, Any]]] = tuple(
        {"pace": pace} for pace in (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
    )

    def __init__(
        self,
        num_avatars: int = 2,
        role: str = "chaser",
        num_chasers: int | None = None,
        side: float | None = None,
        pace: float = 1.0,
    ) -> None:
        super().__init__(num_avatars)
        role = one_of("role", role, ROLES)
        chasers = (num_avatars + 1) // 2 if num_chasers is None else num_chasers
        chasers = whole_number("num_chasers", chasers, 1, num_avatars - 1)
        self.role = role
        order = ROLES if role == "chaser" else ROLES[::-1]
        counts = {"chaser": chasers, "evader": num_avatars - chasers}
        self._names = tuple(name for name in order for _ in range(counts[name]))
        self.chasers: BoolArray = np.array([name == "chaser" for name in self._names])
        self.num_chasers, self.num_evaders = chasers, num_avatars - chasers
        usual = SIDE + SIDE_EACH * (num_avatars - 2)
        self.side = usual if side is None else side
        if not _is_number(self.side) or not usual <= self.side <= MAX_SIDE:
            raise ArgumentError(f"side must be {usual:g} to {MAX_SIDE:g} metres, got {side!r}")
        if not _is_number(pace) or not PACES[0] <= pace <= PACES[1]:
            raise ArgumentError(f"pace must be {PACES[0]:g} to {PACES[1]:g}, got {pace!r}")
        self._players = Players(self.chasers, CRATES, pace)

    def roles(self) -> Sequence[Role]:
        """The caller's role first."""
        bodies = {"chaser": CHASER, "evader": EVADER}
        return [Role(name, bodies[name]) for name in self._names]

    def quantities(self) -> Mapping[str, Quantity]:
        """The players still free, the rewards of the last step, and the goals of wanderers."""
        each = (self.num_avatars,)
        return {
            "free": Quantity(each, np.bool_, ~self.chasers),
            "points": Quantity(each),
            "potential": Quantity(each),
            "shaping": Quantity(each),
            "first_tag": Quantity((), np.int64, -1),
            "goal": Quantity((*each, 2)),
        }

    # -- the place --------------------------------------------------------------------------------

    def layout(self, rng: np.random.Generator, level: int) -> Layout:
        """An arena with obstacles, the two sides far apart."""
        room = self._room()
        walls = [*room.walls()]
        walls += [self._inner_wall(rng, room) for _ in range(int(rng.integers(1, MOST_WALLS)))]
        props = {
            name: room.place(rng, furniture.pillar(radius=0.3, color="orange"), margin=APART)
            for name in PILLARS
        }
        for name in BOXES:
            box = Prop(Box(1.1, 0.7, 0.8), (0, 0), rng.uniform(0, math.pi), color="purple")
            props[name] = room.place(rng, box, margin=APART)
        for name in CRATES:
            crate = furniture.crate(
                heading=rng.uniform(0, math.pi), color="yellow", mass=8.0, size=0.5
            )
            props[name] = room.place(rng, crate, margin=LEAST_APART)
        spawns = self._spawns(rng, room)
        goals = self.side * (rng.random((self.num_avatars, 2)) - 0.5)
        told = {"chaser": "tag everyone in blue", "evader": "keep away from everyone in red"}
        return Layout(
            spawns=spawns,
            walls=walls,
            props=props,
            instruction=[told[name] for name in self._names],
            quantities={"goal": goals},
        )

    def edit(self, layout: Layout, rng: np.random.Generator) -> Layout:
        """Moves, adds or removes an inner wall, moves an obstacle or a crate, or all players.

        What does not fit anywhere stays where it is.
        """
        room = self._room()
        outer = room.walls()
        inner, props = list(layout.walls[len(outer) :]), dict(layout.props)
        spawns = layout.spawns
        what = [*props, "wall", "more walls", "fewer walls", "players"]
        chosen = what[int(rng.integers(len(what)))]
        if inner and chosen in ("wall", "fewer walls"):
            inner.pop(int(rng.integers(len(inner))))
        for each in (*inner, *(prop for name, prop in props.items() if name != chosen)):
            room.add(each)
        if chosen != "players":
            for spawn in spawns:
                room.occupy(cast("Spawn", spawn).position, PLAYER)
        try:
            if chosen in props:
                margin = LEAST_APART if chosen in CRATES else APART
                turned = replace(props[chosen], heading=rng.uniform(0, math.pi))
                props[chosen] = room.place(rng, turned, margin=margin)
            elif chosen == "wall" or (chosen == "more walls" and len(inner) < MOST_WALLS):
                inner.append(self._inner_wall(rng, room))
            elif chosen == "players":
                spawns = self._spawns(rng, room)
        except LayoutError:
            return layout
        return replace(layout, walls=[*outer, *inner], props=props, spawns=spawns)

    def _room(self) -> Room:
        return Room(self.side, self.side, height=1.2, thickness=0.2, color="teal")

    def _inner_wall(self, rng: np.random.Generator, room: Room) -> Prop:
        along_x = rng.random() < 0.5
        length = rng.uniform(1.4, 2.2)
        size = (length, 0.2) if along_x else (0.2, length)
        return room.place(rng, Prop(Box(*size, 1.9), (0, 0), color="green"), margin=LEAST_APART)

    def _spawns(self, rng: np.random.Generator, room: Room) -> list[Spawn]:
        chasers: list[tuple[float, float]] = []
        spots: list[tuple[float, float]] = []
        first = room.free_spot(rng, PLAYER, 0.1)
        for i in np.argsort(~self.chasers, kind="stable").tolist():
            if self.chasers[i]:
                spot = room.free_spot(rng, PLAYER, near=first, within=2.5) if chasers else first
                chasers.append(spot)
            else:
                spot = room.free_spot(rng, PLAYER, away_from=chasers, beyond=HEAD_START)
            spots.append(spot)
        order = np.argsort(np.argsort(~self.chasers, kind="stable"), kind="stable").tolist()
        turns = rng.uniform(-math.pi, math.pi, self.num_avatars).tolist()
        return [Spawn(spots[k], turn) for k, turn in zip(order, turns, strict=True)]

    # -- the rules --------------------------------------------------------------------------------

    def after_reset(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Gives everybody their colour back and measures the first distances."""
        colors = [color_of(role.body.color) for role in self.roles()]
        state.avatars.color[worlds] = colors
        state["potential"][worlds] = potential(state, self.chasers)[worlds]
        self._players.refresh(state, worlds)

    def after_step(self, state: WorldState) -> None:
        """Tags whom a chaser touches, and measures how the distances have changed."""
        free, points = state["free"], state["points"]
        points.fill(0.0)
        if touched(state.avatars.touches_avatar, self.chasers, free):
            caught = state.avatars.touches_avatar & self.chasers[:, None] & free[:, None, :]
            tagged = caught.any(axis=1)
            # A share of the tag for each chaser that touches.
            shares = caught / np.maximum(caught.sum(axis=1, keepdims=True), 1)
            points[:] = (shares.sum(axis=2) - tagged) / self.num_evaders
            free &= ~tagged
            state.avatars.color[tagged] = color_of(OUT_COLOR)
            first = state["first_tag"]
            first[tagged.any(axis=1) & (first < 0)] = state.step[tagged.any(axis=1) & (first < 0)]
            for world, avatar in np.argwhere(tagged).tolist():
                state.instruct([world], "you are out", avatar)
        now = potential(state, self.chasers)
        np.subtract(now, state["potential"], out=state["shaping"])
        state["potential"][:] = now
        self._players.after_step(state)

    def reward(self, state: WorldState) -> FloatArray:
        """The sum of the terms."""
        return add_terms(self.reward_terms(state))

    def reward_terms(self, state: WorldState) -> Mapping[str, FloatArray]:
        """Tags, time and approach; see `Rewards`."""
        weights = REWARDS.tag, REWARDS.free, REWARDS.closing
        tag, time, closing = worth(state, self.chasers, weights)
        return {"tag": tag, "time": time, "closing": closing}

    def terminated(self, state: WorldState) -> BoolArray:
        """Everybody is tagged."""
        return over(state)

    def success(self, state: WorldState) -> BoolArray:
        """For a chaser: everybody is tagged. For an evader: free when the time is up."""
        if self.role == "chaser":
            return self.terminated(state)
        return state["free"][:, 0] & (state.step >= state.max_episode_steps)

    def metrics(self, state: WorldState) -> Mapping[str, NDArray[Any]]:
        """The number of evaders tagged, and the step of the first tag."""
        tagged, first = counts(state, self.num_evaders)
        return {"tags": tagged, "time_to_first_tag": first}

    # -- the players ------------------------------------------------------------------------------

    def behaviours(self) -> Mapping[str, Behaviour]:
        """Five evaders and three chasers, of which some are met in testing only."""
        return self._players.behaviours()

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Chasers cut off the way, evaders look two seconds ahead."""
        self._players.expert(state, who, commands)

    def heuristics(self) -> Mapping[str, Act]:
        """Running straight, without cutting anybody off or looking ahead."""
        return {"straight": self._players.straight}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
