"""What a run and its spectators say to each other, over a socket of this machine alone.

`als serve RUN` writes a file into the run's folder: where to call, and a secret. The processes of
the run look for it once a second, and call. They say what they are (`Hello`), are told what is
wanted (`Wish`), and send what there is to see (`Sight`), each message one line of JSON. The run
listens nowhere, and what it is told is the number of a world.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["LONGEST", "Hello", "Lines", "Place", "Sight", "Wish", "read_line"]

LONGEST: Final = 16 << 20
"""Bytes of a message."""

Small = Annotated[int, Field(ge=0, le=1_000_000)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Place(_Line):
    """Schema of the file: the port to call at 127.0.0.1, and the secret to say."""

    port: Annotated[int, Field(ge=1, le=65_535)]
    secret: Annotated[str, Field(min_length=16, max_length=100)]


class Hello(_Line):
    """The first line of a process of the run.

    Attributes:
        secret: of the file. scenario: id. first, worlds: the number of its first world in the run,
            and how many it has. process: of the operating system. time_step: seconds.
    """

    secret: Annotated[str, Field(max_length=100)]
    scenario: Annotated[str, Field(max_length=200)]
    first: Small
    worlds: Annotated[int, Field(ge=1, le=1_000_000)]
    process: Annotated[int, Field(ge=0, lt=1 << 32)]
    time_step: Annotated[float, Field(gt=0.0, le=100.0)]


class Wish(_Line):
    """What the spectators look at: a world of the process, by its index there, or none."""

    world: Small | None


class Sight(_Line):
    """Keys of the board with new values; null for what is gone.

    Attributes:
        world: the wish that it answers. whole: whether it is all that there is.
        values: as `board.Board` has them.
    """

    world: Small
    whole: bool
    values: Annotated[dict[str, Any], Field(max_length=100_000)]


L = TypeVar("L", bound=_Line)


def read_line(line: bytes, model: type[L]) -> L | None:
    """A message, or None where it is none."""
    try:
        return model.model_validate_json(line)
    except ValidationError:
        return None


class Lines:
    """Divides what arrives into lines."""

    def __init__(self, longest: int = LONGEST) -> None:
        """Waits for the first."""
        self._longest, self._rest = longest, bytearray()

    def take(self, data: bytes) -> list[bytes] | None:
        """The lines that are whole now; None where one is too long."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        if len(rest) > self._longest:
            return None
        return [bytes(line) for line in lines]
