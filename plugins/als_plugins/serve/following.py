"""A stage whose difficulty follows who plays: each episode is played in a stage of the scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from als_engine.seeding import spread
from als_plugins.serve.orders import Order
from als_plugins.serve.stage import LiveStage

if TYPE_CHECKING:
    from als_engine.agents.curriculum.difficulty import Difficulty
    from als_engine.simulation import Simulation

__all__ = ["FollowingStage"]

PERSON: Final = "person"
"""What the persons who play are called together, as a player."""


class FollowingStage:
    """A live stage that is made anew wherever the next episode is played with other arguments.

    An episode that has come to its end counts for the persons where one of them drove an avatar of
    the agent's side for most of its steps, and for the agent where nobody did in any.

    Attributes:
        difficulty: what it asks for the arguments, and tells how episodes end.
        standing: the stage of this episode, and how its player has done before, for the page.
    """

    length: int | None = None

    def __init__(
        self,
        difficulty: Difficulty,
        opened: Callable[[Mapping[str, Any]], LiveStage],
        label: str,
        seed: int,
    ) -> None:
        """Opens the world of the first episode.

        Args:
            difficulty: nobody has played with it yet.
            opened: opens a stage in a world with such arguments.
            label: what people call the agent.
            seed: of the episodes.
        """
        self.difficulty, self._opened, self._label, self._seed = difficulty, opened, label, seed
        self.episode = -1
        self._player, self._steps, self._driven = label, 0, 0
        self.standing: dict[str, Any] = {}
        self._arguments = difficulty.choose(label)
        self._inner = opened(self._arguments)

    def begin(self) -> None:
        """Notes how the last episode ended, and begins the next one."""
        if self.episode >= 0:
            self._note()
            arguments = self.difficulty.choose(self._player)
            if arguments != self._arguments:
                self._inner.close()
                self._arguments, self._inner = arguments, self._opened(arguments)
        self.episode += 1
        self._steps = self._driven = 0
        self.standing = self._standing()
        self._inner.begin(spread("serving", self._seed, self.episode))

    def _standing(self) -> dict[str, Any]:
        done = self.difficulty.successes.get(self._player, [])
        return {
            "stage": self.difficulty.stage + 1, "stages": len(self.difficulty.stages),
            "player": self._player, "played": len(done), "succeeded": sum(done),
        }  # fmt: skip

    def _note(self) -> None:
        simulation = self._inner.simulation
        if not (simulation.terminated[0] or simulation.truncated[0]):
            return  # Somebody wanted the next one, or the world broke.
        success = bool(simulation.metrics()["success"][0])
        if 2 * self._driven > self._steps:
            self.difficulty.note(PERSON, success)
        elif not self._driven:
            self.difficulty.note(self._label, success)

    def advance(self, orders: Mapping[int, Order]) -> None:
        """Makes a step; persons drive the avatars that have orders."""
        if not self.over:
            here = any(avatar < self.simulation.observers for avatar in orders)
            self._player = PERSON if here else self._label
            self._steps, self._driven = self._steps + 1, self._driven + here
        self._inner.advance(orders)

    @property
    def simulation(self) -> Simulation:
        """The world of this episode."""
        return self._inner.simulation

    @property
    def time_step(self) -> float:
        """Seconds."""
        return self._inner.time_step

    @property
    def note(self) -> str:
        """What people should know, in one line; empty for nothing."""
        return self._inner.note

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self._inner.over

    def seek(self, step: int) -> None:
        """Does nothing: there is no time line."""

    def drivers(self) -> list[str]:
        """Who drives each avatar when no person does."""
        return self._inner.drivers()

    def changes(self) -> dict[str, Any]:
        """What differs from the last call, by key of the board; None for what is gone."""
        return self._inner.changes()

    def eyes(self, avatar: int, size: int | None = None) -> dict[str, Any] | None:
        """What an avatar sees and attends to; None for one that there is not."""
        return self._inner.eyes(avatar, size)

    def close(self) -> None:
        """Frees the world, and ends what is being recorded."""
        self._inner.close()
