"""How feedback comes in: events, and the interface that a teacher, a file or a web page fulfils.

A channel is told of every step of the worlds and asked, without waiting, which feedback has come.
An event says that an avatar was good or bad; what exactly it was given for, a moment ago, nobody
says: people take a while to react, and to find out is what `als_plugins.adaptation.credit` is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from numpy.typing import NDArray
from pydantic import Field

from als_engine.limits import STEPS
from als_engine.models import Model

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["DELAY", "Channel", "Delay", "Event", "Moment", "ShowingChannel"]

Delay = tuple[float, float]

DELAY: Final[Delay] = (0.2, 0.8)
"""Seconds that people take to react: any from the first to the second (Knox and Stone 2009)."""

STEP: Final = 1 / 15
"""Seconds of a step."""


class Event(Model):
    """Somebody has said how an avatar is doing.

    Attributes:
        world, avatar: whose; avatars are counted among those that the agent drives.
        step: when it was given, in steps since the adaptation began; None for now.
        value: from -1, bad, to 1, good.
    """

    world: int = Field(ge=0, lt=1_000_000)
    avatar: int = Field(default=0, ge=0, lt=1_000)
    step: int | None = Field(default=None, ge=0, le=STEPS)
    value: float = Field(ge=-1.0, le=1.0)


@dataclass(frozen=True)
class Moment:
    """A step of all worlds. Row `world * observers + avatar` is an avatar.

    Attributes:
        step: steps since the adaptation began; goes on over the ends of episodes.
        observation: before the action, key to (rows, ...).
        action: (rows, ...).
        expert: what the scenario's expert would have done, (rows, ...); None unless asked for.
        reward: of the task, (rows,).
        ended: (rows,) bool, whether the episode is over.
    """

    step: int
    observation: Mapping[str, NDArray[Any]]
    action: NDArray[Any]
    expert: NDArray[Any] | None
    reward: NDArray[Any]
    ended: NDArray[Any]


class Channel(Protocol):
    """Where feedback comes from.

    Attributes:
        asks_expert: whether a moment is to say what the expert would have done.
        delay: seconds between an action and its feedback, least and most, as far as known.
    """

    asks_expert: bool
    delay: Delay

    def open(self, worlds: int, observers: int, first_step: int) -> None:
        """Called before the first moment.

        Args:
            worlds: how many there are.
            observers: avatars of each world that the agent drives.
            first_step: of the first moment; more than 0 when an adaptation is taken up again.
        """

    def watch(self, moment: Moment) -> None:
        """Called after each step, with what has happened."""

    def poll(self, step: int) -> Sequence[Event]:
        """Returns new events up to and including this step; never waits."""

    def close(self) -> None:
        """Frees what it holds."""


@runtime_checkable
class ShowingChannel(Protocol):
    """A channel that shows people the worlds that they judge."""

    def show(self, rows: Rows, trust: Callable[[], float]) -> None:
        """Called when the worlds have been made, and when they are made anew.

        Args:
            rows: the worlds, in this process.
            trust: returns how far the feedback is trusted, 0 to 1.
        """
