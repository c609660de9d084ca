"""What goes over the websocket: the messages of clients, checked, and how all are coded.

The server sends a `hello`, and from then on `change` messages: keys of the board (`board.py`) with
their new values. `docs/serving.md` describes them all. A client's message is one of the models
below and nothing else; it names an avatar, a word of a role's vocabulary or a number, and never a
file, an id or a scenario.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from als_engine.evaluation.persons import Pseudonym
from als_engine.texts import one_line

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "SPEEDS",
    "VERSION",
    "BadMessage",
    "ClipOf",
    "Consent",
    "Drive",
    "FromClient",
    "GoOn",
    "Hand",
    "Invite",
    "Join",
    "Judge",
    "Learn",
    "Leave",
    "Look",
    "Next",
    "Pace",
    "Ping",
    "Prefer",
    "Say",
    "Seek",
    "TakePart",
    "Told",
    "Watch",
    "Work",
    "pack",
    "read",
]

VERSION: Final = 1
"""Of the protocol: goes up when a client of before would not understand."""

FORMATS: Final = ("als.v1.json", "als.v1.msgpack")
"""The websocket subprotocols that a client may ask for; the first by default."""

MAX_BYTES: Final = 2_048
"""The longest message that a client may send."""

SPEEDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""How fast the world may run, times real time."""

Share = Annotated[float, Field(ge=-1.0, le=1.0)]
Index = Annotated[int, Field(ge=0, le=1_000)]
Word = Annotated[str, Field(min_length=1, max_length=200)]


class BadMessage(Exception):  # noqa: N818 - it is the message that is bad.
    """A message that is refused; says why in one line."""


class _Message(BaseModel):
    """What all messages of clients have: `n` goes up, so that none counts twice."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    n: Annotated[int, Field(ge=0, le=1 << 53)]


class Join(_Message):
    """Takes an avatar that no other person has; `name` is shown to the others, as text."""

    type: Literal["join"]
    avatar: Index
    name: Annotated[str, Field(max_length=24)] = ""

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        return one_line(name).strip()[:24]


class Leave(_Message):
    """Gives the avatar back."""

    type: Literal["leave"]


class Drive(_Message):
    """How the avatar moves until the next such message.

    Attributes:
        forward, left: parts of full speed.
        turn: part of full turn speed, counter-clockwise.
        face: in place of `turn`, the direction to look in, radians.
    """

    type: Literal["drive"]
    forward: Share = 0.0
    left: Share = 0.0
    turn: Share = 0.0
    face: Annotated[float, Field(ge=-math.pi, le=math.pi)] | None = None


class Hand(_Message):
    """What the hand does in the next step."""

    type: Literal["hand"]
    does: Literal["pick up", "put down", "use"]


class Say(_Message):
    """What the avatar says in the next step: a sentence of its role."""

    type: Literal["say"]
    sentence: Word


class Work(_Message):
    """What one of the avatar's effectors does in the next step."""

    type: Literal["work"]
    effector: Word
    does: Word


class Pace(_Message):
    """Lets the world run faster, slower, not at all, or by one step; of a replay, see `Seek`."""

    type: Literal["pace"]
    paused: bool | None = None
    speed: float | None = None
    step: bool = False

    @field_validator("speed")
    @classmethod
    def _offered(cls, speed: float | None) -> float | None:
        if speed is not None and speed not in SPEEDS:
            raise ValueError(f"the speeds are {', '.join(f'{each:g}' for each in SPEEDS)}")
        return speed


class Next(_Message):
    """Ends the episode and begins the next one."""

    type: Literal["next"]


class Seek(_Message):
    """Goes to a step of a replayed episode."""

    type: Literal["seek"]
    step: Annotated[int, Field(ge=0, le=10_000_000)]


class Watch(_Message):
    """Shows another world of a run, by its place in `worlds`."""

    type: Literal["watch"]
    world: Annotated[int, Field(ge=0, le=1_000_000)]


class Look(_Message):
    """Asks for what an avatar sees and attends to, as `eyes.I`, from now on; null for nothing."""

    type: Literal["look"]
    avatar: Index | None


class Consent(_Message):
    """Agrees to be recorded while teaching, or no longer does.

    Attributes:
        agree: whether.
        pseudonym: that this person was given before, such as before the page was loaded again.
    """

    type: Literal["consent"]
    agree: bool
    pseudonym: Pseudonym | None = None


class Judge(_Message):
    """Says how an avatar that the agent drives is doing: from -1, bad, to 1, good."""

    type: Literal["judge"]
    avatar: Index
    value: Share


class ClipOf(BaseModel):
    """Steps of an episode: from `first` to `last`, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    episode: Annotated[int, Field(ge=1, le=1_000_000_000)]
    first: Annotated[int, Field(ge=0, le=10_000_000)]
    last: Annotated[int, Field(ge=0, le=10_000_000)]


class Prefer(_Message):
    """Says in which of two clips an avatar did better."""

    type: Literal["prefer"]
    avatar: Index
    better: ClipOf
    worse: ClipOf


class Learn(_Message):
    """Lets the agent learn from what it was taught, and go on with that."""

    type: Literal["learn"]


class Ping(_Message):
    """Is answered by a `pong` with the same `n`."""

    type: Literal["ping"]


class Invite(_Message):
    """Asks for an address that lets one more browser or program in."""

    type: Literal["invite"]


class TakePart(_Message):
    """Takes part in a study, or goes on with it under the pseudonym of before."""

    type: Literal["take part"]
    pseudonym: Pseudonym | None = None


Number = Annotated[int, Field(ge=-1_000, le=1_000)]


class GoOn(_Message):
    """Goes on with a study: agrees, begins a trial, or answers what was asked."""

    type: Literal["go on"]
    answers: dict[Word, Number | Annotated[str, Field(max_length=400)] | None] = Field(
        default_factory=dict, max_length=60
    )


Told = Consent | Judge | Prefer | Learn | TakePart | GoOn
"""What is said to the guide of a show: while teaching, or in a study."""

FromClient = Annotated[
    Join
    | Leave
    | Drive
    | Hand
    | Say
    | Work
    | Pace
    | Next
    | Seek
    | Watch
    | Look
    | Ping
    | Invite
    | Told,
    Field(discriminator="type"),
]
_ADAPTER: TypeAdapter[FromClient] = TypeAdapter(FromClient)


def read(data: str | bytes, form: str) -> FromClient:
    """A client's message.

    Args:
        data: as it came.
        form: one of `FORMATS`, which the client has asked for.

    Raises:
        BadMessage: it is none; says what is wrong with it.
    """
    if len(data) > MAX_BYTES:
        raise BadMessage(f"a message has at most {MAX_BYTES} bytes")
    try:
        found = _unpack(data, form)
    except (ValueError, TypeError, RecursionError):
        raise BadMessage(f"that is no {form.rpartition('.')[2]}") from None
    try:
        return _ADAPTER.validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # The last name alone: what stands before is the kind of message.
        where = "".join(f"{name}: " for name in first["loc"][-1:])
        raise BadMessage(one_line(f"{where}{first['msg']}")[:200]) from None


def pack(message: dict[str, Any], form: str) -> str | bytes:
    """A message of the server."""
    if form == FORMATS[1]:
        import msgpack

        packed: bytes = msgpack.packb(message)
        return packed
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _unpack(data: str | bytes, form: str) -> Any:
    if form == FORMATS[1]:
        import msgpack

        if isinstance(data, str):
            raise TypeError
        try:
            return msgpack.unpackb(data, strict_map_key=True)
        except msgpack.UnpackException as error:
            raise ValueError from error
    return json.loads(data, parse_constant=_refuse)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
