"""The scripted foragers: the populations in the background, the simple rules, and the expert.

All decide by `plan.decide`; they differ in their `Manner`. Background foragers walk more slowly
than the caller's avatars can. Whoever among them takes too much holds back for a while after being
sent away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.bodies.avatar import HAND_USE
from als_engine.navigation import Navigator, face
from als_engine.task import Behaviour
from als_engine.world.arrays import NOTHING, BoolArray
from als_engine.world.state import WorldState
from als_scenarios.game.commons.growth import ENOUGH
from als_scenarios.game.commons.plan import FACE, WALK, Decision, Manner, decide
from als_scenarios.game.commons.rules import GO_AWAY, people
from als_scenarios.game.commons.yard import PATCHES, SPOTS, TEMPERS

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

COOPERATES, FREE_RIDES, PUNISHES = range(len(TEMPERS))

PACE: Final = 0.7
"""At which part of full speed background foragers walk."""

NEVER: Final = 2.0
"""A dirty share that no river has."""

CLEANS_FROM: Final = 0.1
"""The dirty share of the river from which cooperators go to clean."""

EXPERT_CLEANS_FROM: Final = 0.28
"""The same for an expert that is alone among others: those who clean, if any, go first."""

RECENT: Final = 40
"""Steps for which it is remembered who took fruit from a patch that had too little."""

CHASE: Final = 5.0
"""How near somebody has to be for a punisher to follow, metres."""

ANYWHERE: Final = 100.0
"""So far an expert follows, metres."""

HEEDS: Final = 250
"""Steps for which somebody who took too much holds back after being sent away."""

REMEMBERS: Final = 60
"""Steps for which one who reciprocates bears a grudge."""

_HOARDED: Final = 2
_URGENT: Final = 0.3
_MIXTURE, _, _FREE_RIDES, _, _RECIPROCATES, _HOARDS = range(6)
"""Places in `behaviours`."""

Fill = Callable[[WorldState, Manner], None]
"""Writes into a manner, of people who take anything and do nothing else, how they behave."""


class Foragers:
    """Drives avatars by script.

    What it keeps is the navigator's cache, which never changes a result, and arrays to work in.
    """

    def __init__(self) -> None:
        self._navigator: Navigator | None = None

    def refresh(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Looks at new worlds."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state)
        self._navigator.refresh(worlds)

    def play(
        self,
        state: WorldState,
        who: BoolArray,
        commands: Commands,
        fill: Fill,
        pace: float = 1.0,
    ) -> None:
        """Drives the avatars in `who` in the manner that `fill` writes."""
        assert self._navigator is not None
        manner = _greedy(who.shape)
        fill(state, manner)
        out = _undecided(who.shape)
        avatars = state.avatars
        decide(
            who,
            tuple(manner),
            (avatars.position, avatars.heading),
            state.bodies.radius,
            (state.props.position, state["planted"], state["ripe"], state["dirt"]),
            people(state),
            tuple(out),
        )
        commands.hand[out.hand] = HAND_USE
        commands.say[out.voice] = GO_AWAY
        walks, faces = out.feet == WALK, out.feet == FACE
        self._navigator.walk(out.goal, commands, walks, pace)
        if faces.any():
            face(state, out.goal, commands, faces)

    def behaviours(self) -> Mapping[str, Behaviour]:
        """The populations by name; see `Commons`."""
        slow: Any = partial(partial, self.play, pace=PACE)
        return {
            "mixture": Behaviour(slow(fill=_as_drawn)),
            "cooperates": Behaviour(slow(fill=_cooperates), splits=()),
            "free-rides": Behaviour(slow(fill=_free_rides), splits=()),
            "punishes": Behaviour(slow(fill=_punishes), splits=()),
            "reciprocates": Behaviour(slow(fill=_reciprocates), splits=("validation",)),
            "hoards": Behaviour(slow(fill=_hoards), splits=("test",)),
        }

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Keeps every patch fertile, cleans where nobody else does, and keeps order."""
        self.play(state, who, commands, _expert)

    def heuristics(self) -> dict[str, Any]:
        """What people would try first: take what is nearest, or hold back and clean in turn."""
        return {
            "sustainable": partial(self.play, fill=_cooperates),
            "greedy": partial(self.play, fill=_take_all),
        }


def _greedy(shape: tuple[int, ...]) -> Manner:
    return Manner(
        np.zeros(shape, np.int64),
        np.full(shape, NEVER),
        np.zeros(shape),
        np.zeros(shape, np.bool_),
        np.full(shape, NOTHING, np.int64),
    )


def _undecided(shape: tuple[int, ...]) -> Decision:
    return Decision(
        np.zeros((*shape, 2)),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.bool_),
        np.zeros(shape, np.bool_),
    )


# -- manners ---------------------------------------------------------------------------------------


def _take_all(state: WorldState, manner: Manner) -> None:
    """The nearest fruit, always."""


def _cooperates(state: WorldState, manner: Manner) -> None:
    """Leaves three fruits in a patch, and cleans the river before it is dirty."""
    manner.keep[:], manner.cleans_from[:] = ENOUGH, CLEANS_FROM


def _free_rides(state: WorldState, manner: Manner) -> None:
    """Takes everything and never cleans; cooperates for a while after being sent away."""
    heeds = state["since_sent"] < HEEDS
    manner.keep[:] = np.where(heeds, ENOUGH, 0)
    manner.cleans_from[:] = np.where(heeds, CLEANS_FROM, NEVER)


def _punishes(state: WorldState, manner: Manner) -> None:
    """Cooperates, and sends those away who do not."""
    _cooperates(state, manner)
    manner.sends_from[:] = CHASE
    np.less(state["since_taken"], RECENT, out=manner.bad)


def _as_drawn(state: WorldState, manner: Manner) -> None:
    """Everybody as the level has drawn it: cooperates, free-rides or punishes."""
    temper = state["temper"]
    takes = (temper == FREE_RIDES) & (state["since_sent"] >= HEEDS)
    manner.keep[:] = np.where(takes, 0, ENOUGH)
    manner.cleans_from[:] = np.where(takes, NEVER, CLEANS_FROM)
    manner.sends_from[:] = np.where(temper == PUNISHES, CHASE, 0.0)
    np.less(state["since_taken"], RECENT, out=manner.bad)


def _reciprocates(state: WorldState, manner: Manner) -> None:
    """Cooperates, unless half of the others took too much lately; it heeds being sent away."""
    took = state["since_taken"] < REMEMBERS
    others = took.sum(1, keepdims=True) - took
    spoilt = (2 * others >= took.shape[1] - 1) & (state["since_sent"] >= HEEDS)
    manner.keep[:] = np.where(spoilt, 0, ENOUGH)
    manner.cleans_from[:] = np.where(spoilt, NEVER, CLEANS_FROM)


def _hoards(state: WorldState, manner: Manner) -> None:
    """Keeps to a patch of its own, takes all but two fruits, and sends away who comes to the tree.

    It cleans where hardly anything grows, and cooperates for a while after being sent away.
    """
    trees = state["planted"].reshape(-1, PATCHES, SPOTS).any(2)
    # The number of an avatar among the trees that there are.
    nth = np.arange(manner.claim.shape[1]) % trees.sum(1)[:, None]
    own = (trees.cumsum(1)[:, None] > nth[..., None]).argmax(2)
    heeds = state["since_sent"] < HEEDS
    manner.keep[:] = np.where(heeds, ENOUGH, _HOARDED)
    manner.cleans_from[:] = np.where(heeds, CLEANS_FROM, _URGENT)
    manner.claim[:] = np.where(heeds, NOTHING, own)


def _expert(state: WorldState, manner: Manner) -> None:
    """Sends those away who are known to take too much, before they do.

    It cleans only where the others let it come to that.
    """
    manner.keep[:], manner.sends_from[:] = ENOUGH, ANYWHERE
    played = state.behaviour
    alone = (played == NOTHING).sum(1, keepdims=True) == 1
    manner.cleans_from[:] = np.where(alone, EXPERT_CLEANS_FROM, CLEANS_FROM)
    takes = (played == _MIXTURE) & (state["temper"] == FREE_RIDES)
    takes |= (played == _FREE_RIDES) | (played == _HOARDS)
    takes |= (played == _RECIPROCATES) & (state["since_taken"] < RECENT)
    manner.bad[:] = takes & (state["since_sent"] >= HEEDS)
