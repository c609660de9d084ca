"""How feedback comes in: events, and the interface that a teacher, a file or a web page fulfils.

A channel is told of every step of the worlds and asked, without waiting, which feedback has come.
An event says that an avatar was good or bad; what exactly it was given for, a moment ago, nobody
says: people take a while to react, and to find out is what `als_plugins.adaptation.credit` is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from numpy.typing import NDArray
from pydantic import ConfigDict, Field, ValidationError

from als_engine.errors import ArgumentError, did_you_mean
from als_engine.saving import Model

__all__ = ["DELAY", "Channel", "Delay", "Event", "Moment", "open_channel"]

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
    step: int | None = Field(default=None, ge=0)
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
        """Is told what has happened."""

    def poll(self, step: int) -> Sequence[Event]:
        """What has come up to and including this step and was not returned before; never waits."""

    def close(self) -> None:
        """Frees what it holds."""


def open_channel(text: str, *, seed: int = 0, folder: Path | None = None) -> Channel:
    """Makes a channel from what is written on a command line.

    Args:
        text: `simulated:NOISE[,rate=SHARE][,delay=LEAST-MOST]`, `live[:PATH][,pace=FPS]`, or the
            path of a file of events.
        seed: of a simulated teacher.
        folder: where `live` without a path looks for `feedback.jsonl`.

    Raises:
        ArgumentError: it is none of these, or a value is not allowed.
        SavedFileError: the file cannot be read or a line of it is wrong.
    """
    from als_plugins.adaptation.lines import LiveChannel, RecordedChannel
    from als_plugins.adaptation.teacher import SimulatedTeacher, Teaching

    kind, _, rest = text.partition(":")
    if kind == "simulated":
        first, *options = rest.split(",")
        given = {"noise": first, **_options(text, options)}
        return SimulatedTeacher(_checked(text, Teaching, given), seed=seed)
    if kind.partition(",")[0] == "live":
        path, *options = (rest if ":" in text else text.partition("live")[2]).split(",")
        live = _checked(text, _Live, _options(text, options))
        if not path and folder is None:
            raise ArgumentError('feedback "live" needs a file or a folder: use live:PATH')
        where = Path(path) if path else Path(folder or ".") / "feedback.jsonl"
        return LiveChannel(where, pace=live.pace)
    if not Path(text).exists():
        hint = did_you_mean(kind, ("simulated", "live"))
        raise ArgumentError(
            f'feedback "{text}" is no file{hint or ";"} use simulated:NOISE, live or a file'
        )
    return RecordedChannel(Path(text))


class _Live(Model):
    """Options of a live channel: wall-clock steps a second; 0 for as fast as it goes."""

    model_config = ConfigDict(strict=False)

    pace: float = Field(default=0.0, ge=0.0, le=1_000.0)


def _options(text: str, words: Sequence[str]) -> dict[str, Any]:
    """`rate=0.3` as a dictionary; a delay `0.2-0.8` as a pair."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name in found:
            raise ArgumentError(f'feedback "{text}": "{word}" is not an option such as rate=0.3')
        found[name] = tuple(value.split("-", 1)) if name == "delay" and "-" in value else value
    return found


def _checked(text: str, model: type[Any], values: Mapping[str, Any]) -> Any:
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = str(first["loc"][0]) if first["loc"] else "options"
        if first["type"] == "extra_forbidden":
            names = ", ".join(model.model_fields)
            raise ArgumentError(
                f'feedback "{text}": there is no "{where}"; allowed: {names}'
            ) from None
        raise ArgumentError(f'feedback "{text}": {where}: {first["msg"]}') from None
