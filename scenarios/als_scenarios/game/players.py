"""The scripted players of tag: named chasers and evaders, and the expert for both parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.navigation import Navigator, steer
from als_engine.task import Behaviour, Split
from als_engine.world.arrays import BoolArray
from als_engine.world.state import WorldState
from als_scenarios.game import lookahead
from als_scenarios.game.evasion import Style, escape, shelter
from als_scenarios.game.obstacles import gather
from als_scenarios.game.pursuit import (
    TACTICS,
    alarm,
    arrived,
    hunt,
    lengthen,
    stirred,
)

if TYPE_CHECKING:
    from als_engine.bodies.avatar import Commands

CHASER_PACE: Final = 0.42
EVADER_PACE: Final = 0.6
HIDE_PACE: Final = 0.4
"""At which part of their top speed the scripted players run: an expert, at full speed, can win."""

CAUTION: Final = 0.15
"""How much faster than that the expert takes chasers to be, as a part of their top speed."""

ALARM: Final[Mapping[str, float]] = {
    "flee": 3.5,
    "corner": 5.0,
    "hide": 6.0,
    "zigzag": 3.5,
    "bolt": 4.5,
}
"""How near a chaser is when an evader stops wandering, metres."""

PANIC: Final = 1.3
"""How near a chaser is when an evader leaves its shelter, metres."""

ARRIVED: Final = 0.4
GOAL_STEPS: Final = 45
STYLES: Final[Mapping[str, Style]] = {
    "flee": Style(away=1.0, room=0.2),
    "corner": Style(away=0.6, room=0.3, rim=1.2),
    "hide": Style(away=1.0, room=0.4),
    "zigzag": Style(away=1.0, room=0.4, swerve=0.9),
    "bolt": Style(away=0.6, room=1.2),
}


class Players:
    """Drives avatars by script.

    What it keeps is the navigator's cache, which never changes a result.
    """

    def __init__(self, chasers: BoolArray, blockers: Sequence[str], pace: float = 1.0) -> None:
        """Knows no world yet.

        Args:
            chasers: (avatars,), who they are.
            blockers: the names of props that can be pushed.
            pace: how fast the scripted players run, times the usual; the expert and the
                heuristic run as ever.
        """
        self.chasers = chasers
        self._times = pace
        self._blockers = tuple(blockers)
        self._navigator: Navigator | None = None

    def refresh(self, state: WorldState, worlds: NDArray[np.intp]) -> None:
        """Looks at new worlds."""
        if self._navigator is None or self._navigator.state is not state:
            self._navigator = Navigator(state, blockers=self._blockers)
        self._navigator.refresh(worlds)

    def after_step(self, state: WorldState) -> None:
        """Gives wanderers new places to go to, and looks at crates that were pushed."""
        assert self._navigator is not None
        goal, avatars = state["goal"], state.avatars
        done: BoolArray = np.empty(goal.shape[:2], np.bool_)
        if arrived(goal, avatars.position, state.step, ARRIVED, GOAL_STEPS, done):
            low, high = state.bounds[:, None, :2], state.bounds[:, None, 2:]
            drawn = low + (high - low) * state.uniform(0, goal.shape[1:])
            goal[done] = drawn[done]
        look: BoolArray = np.empty(state.num_worlds, np.bool_)
        if stirred(state.props.velocity, state.step, look):
            self._navigator.refresh(look)

    # -- chasers ----------------------------------------------------------------------------------

    def chase(self, state: WorldState, who: BoolArray, commands: Commands, tactic: str) -> None:
        """Runs after the nearest free evader.

        Args:
            state: the worlds.
            who: the chasers to command.
            commands: `move` and `turn` are written.
            tactic: one of `TACTICS`.
        """
        self._chase(state, who, commands, tactic, _part(CHASER_PACE, self._times))

    def _chase(
        self, state: WorldState, who: BoolArray, commands: Commands, tactic: str, pace: float
    ) -> None:
        assert self._navigator is not None
        found = hunt(state, who, self.chasers, tactic, pace)
        if found is None:
            return
        hunting, goals = found
        directions = self._navigator.direction(goals, hunting)
        # A direction is short near its goal, where others would stop; a chaser runs on.
        lengthen(directions)
        steer(state, directions, commands, hunting, pace, 0.0)

    # -- evaders ----------------------------------------------------------------------------------

    def wander(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Walks about and minds nobody."""
        self._wander(state, who, commands, self._times)

    def _wander(self, state: WorldState, who: BoolArray, commands: Commands, times: float) -> None:
        assert self._navigator is not None
        pace = _part(EVADER_PACE, times)
        self._navigator.walk(state["goal"], commands, who & state["free"], pace)

    def flee(self, state: WorldState, who: BoolArray, commands: Commands, style: str) -> None:
        """Walks about until a chaser is near, then flees in a style of its own.

        Args:
            state: the worlds.
            who: the evaders to command.
            commands: `move` and `turn` are written.
            style: one of `STYLES`; "hide" goes behind obstacles as long as there is time.
        """
        self._flee(state, who, commands, style, self._times)

    def _flee(
        self, state: WorldState, who: BoolArray, commands: Commands, style: str, times: float
    ) -> None:
        assert self._navigator is not None
        near = alarm(state, who, self.chasers, ALARM[style])
        if near.some_calm:
            self._wander(state, near.calm, commands, times)
        if not near.some_alarmed:
            return
        alarmed = near.alarmed
        things = gather(state, alarmed)
        if style == "hide":
            goals = shelter(state, alarmed & (near.gaps > PANIC), self.chasers, things)
            hiding = ~np.isnan(goals[..., 0])
            self._navigator.walk(goals, commands, hiding, _part(HIDE_PACE, times))
            alarmed = alarmed & ~hiding
        directions = escape(state, alarmed, self.chasers, STYLES[style], things)
        steer(state, directions, commands, alarmed, _part(EVADER_PACE, times), 0.3)

    # -- all --------------------------------------------------------------------------------------

    def behaviours(self) -> dict[str, Behaviour]:
        """Every scripted player by name."""
        train: tuple[Split, ...] = ("train",)
        validation: tuple[Split, ...] = ("validation",)
        test: tuple[Split, ...] = ("test",)
        chaser, evader = ("chaser",), ("evader",)
        styled = {name: partial(self.flee, style=name) for name in STYLES}
        chase = {tactic: partial(self.chase, tactic=tactic) for tactic in TACTICS}
        return {
            "wander": Behaviour(self.wander, evader, train),
            "flee": Behaviour(styled["flee"], evader, train),
            "corner": Behaviour(styled["corner"], evader, train),
            "hide": Behaviour(styled["hide"], evader, test),
            "zigzag": Behaviour(styled["zigzag"], evader, test),
            "direct": Behaviour(chase["direct"], chaser, train),
            "pack": Behaviour(chase["pack"], chaser, train),
            "intercept": Behaviour(chase["intercept"], chaser, test),
            "bolt": Behaviour(styled["bolt"], evader, validation),
            "flank": Behaviour(chase["flank"], chaser, validation),
        }

    def straight(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Chasers run straight at the nearest evader, evaders away from a chaser that is near."""
        self._chase(state, who, commands, "direct", 1.0)
        self._flee(state, who & state["free"], commands, "flee", 1.0)

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Chasers intercept at full speed, evaders look ahead."""
        self._chase(state, who, commands, "intercept", 1.0)
        fleeing = who & state["free"]
        if fleeing.any():
            pace = _part(CHASER_PACE, self._times) + CAUTION
            lookahead.flee(state, fleeing, self.chasers, pace, gather(state, fleeing), commands)


def _part(pace: float, times: float) -> float:
    """A pace times so much, as a part of the top speed."""
    return min(1.0, pace * times)
