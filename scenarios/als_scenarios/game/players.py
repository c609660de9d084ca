"""The scripted players of tag: named chasers and evaders, and the expert for both parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.navigation import Navigator, steer
from als_engine.state import BoolArray, WorldState
from als_engine.task import Behaviour, Split
from als_scenarios.game import lookahead
from als_scenarios.game.evasion import Style, escape
from als_scenarios.game.obstacles import gather

if TYPE_CHECKING:
    from als_engine.avatar import Commands

CHASER_PACE: Final = 0.5
EVADER_PACE: Final = 0.6
"""At which part of their top speed the scripted players run: an expert, at full speed, can win."""

CAUTION: Final = 0.1
"""How much faster than that the expert takes chasers to be, as a part of their top speed."""

ALARM: Final = 3.5
"""How near a chaser is when an evader starts to flee, metres."""

ARRIVED: Final = 0.4
GOAL_STEPS: Final = 45
LEAD: Final = 1.2
"""How far ahead an intercepting chaser predicts at most, seconds."""

FLANK: Final = 1.3
"""How far to the sides of an evader a pack spreads before it closes in, metres."""

STYLES: Final[Mapping[str, Style]] = {
    "flee": Style(away=1.0, room=0.2),
    "corner": Style(away=0.6, room=0.3, rim=1.2),
    "hide": Style(away=0.5, room=0.3, cover=0.8),
    "zigzag": Style(away=1.0, room=0.4, swerve=0.9),
}


class Players:
    """Drives avatars by script.

    What it keeps is the navigator's cache, which never changes a result.
    """

    def __init__(self, chasers: BoolArray, blockers: Sequence[str]) -> None:
        self.chasers = chasers
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
        goal, xy = state["goal"], state.avatars.position[..., :2]
        away = goal - xy
        done = np.hypot(away[..., 0], away[..., 1]) < ARRIVED
        done |= (state.step % GOAL_STEPS == 0)[:, None]
        if done.any():
            low, high = state.bounds[:, None, :2], state.bounds[:, None, 2:]
            drawn = low + (high - low) * state.uniform(0, goal.shape[1:])
            goal[done] = drawn[done]
        pushed = (state.props.velocity != 0.0).any(axis=(1, 2)) & (state.step % 5 == 0)
        if pushed.any():
            self._navigator.refresh(pushed)

    # -- chasers ----------------------------------------------------------------------------------

    def chase(self, state: WorldState, who: BoolArray, commands: Commands, tactic: str) -> None:
        """Runs after the nearest free evader.

        Args:
            state: the worlds.
            who: the chasers to command.
            commands: `move` and `turn` are written.
            tactic: "direct" runs to where it is, "intercept" to where it will be, "pack" comes
                from all sides.
        """
        self._chase(state, who & self._hunting(state), commands, tactic, CHASER_PACE)

    def _hunting(self, state: WorldState) -> BoolArray:
        hunting: BoolArray = self.chasers & (state["free"].sum(axis=1) > 0)[:, None]
        return hunting

    def _chase(
        self, state: WorldState, who: BoolArray, commands: Commands, tactic: str, pace: float
    ) -> None:
        assert self._navigator is not None
        avatars = state.avatars
        xy = avatars.position[..., :2]
        between = xy[:, None] - xy[:, :, None]
        gaps = np.where(state["free"][:, None], np.hypot(between[..., 0], between[..., 1]), np.inf)
        target = gaps.argmin(axis=2)
        rows = np.arange(state.num_worlds)[:, None]
        gap = np.take_along_axis(gaps, target[..., None], axis=2)[..., 0]
        goals = xy[rows, target]
        if tactic == "intercept":
            time = np.minimum(gap / (pace * state.bodies.speed), LEAD)
            goals = goals + time[..., None] * avatars.velocity[rows, target, :2]
        elif tactic == "pack" and self.chasers.sum() > 1:
            rank = np.cumsum(self.chasers) - 1
            angle = 2 * np.pi * rank / self.chasers.sum()
            reach = np.where(gap > FLANK, FLANK, 0.0)[..., None]
            goals = goals + reach * np.stack([np.cos(angle), np.sin(angle)], -1)
        directions = self._navigator.direction(goals, who)
        # A direction is short near its goal, where others would stop; a chaser runs on.
        length = np.hypot(directions[..., 0], directions[..., 1])[..., None]
        directions /= np.maximum(length, 1e-9)
        steer(state, directions, commands, who, pace, 0.0)

    # -- evaders ----------------------------------------------------------------------------------

    def wander(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Walks about and minds nobody."""
        assert self._navigator is not None
        self._navigator.walk(state["goal"], commands, who & state["free"], EVADER_PACE)

    def flee(self, state: WorldState, who: BoolArray, commands: Commands, style: Style) -> None:
        """Walks about until a chaser is near, then flees in a style of its own."""
        who = who & state["free"]
        xy = state.avatars.position[..., :2]
        between = xy[:, :, None] - xy[:, None]
        gaps = np.hypot(between[..., 0], between[..., 1])
        alarmed = who & (gaps[:, :, self.chasers].min(axis=2) < ALARM)
        if alarmed.any():
            directions = escape(state, alarmed, self.chasers, style, gather(state))
            steer(state, directions, commands, alarmed, EVADER_PACE, 0.3)
        if (who & ~alarmed).any():
            self.wander(state, who & ~alarmed, commands)

    # -- all --------------------------------------------------------------------------------------

    def behaviours(self) -> dict[str, Behaviour]:
        """Every scripted player by name."""
        train: tuple[Split, ...] = ("train",)
        test: tuple[Split, ...] = ("test",)
        chaser, evader = ("chaser",), ("evader",)
        styled = {name: partial(self.flee, style=style) for name, style in STYLES.items()}
        chase = {
            tactic: partial(self.chase, tactic=tactic) for tactic in ("direct", "pack", "intercept")
        }
        return {
            "wander": Behaviour(self.wander, evader, train),
            "flee": Behaviour(styled["flee"], evader, train),
            "corner": Behaviour(styled["corner"], evader, train),
            "hide": Behaviour(styled["hide"], evader, test),
            "zigzag": Behaviour(styled["zigzag"], evader, test),
            "direct": Behaviour(chase["direct"], chaser, train),
            "pack": Behaviour(chase["pack"], chaser, train),
            "intercept": Behaviour(chase["intercept"], chaser, test),
        }

    def expert(self, state: WorldState, who: BoolArray, commands: Commands) -> None:
        """Chasers cut off the way at full speed, evaders look a second ahead."""
        chasing = who & self._hunting(state)
        if chasing.any():
            self._chase(state, chasing, commands, "intercept", 1.0)
        fleeing = who & state["free"]
        if fleeing.any():
            pace = CHASER_PACE + CAUTION
            lookahead.flee(state, fleeing, self.chasers, pace, gather(state), commands)
