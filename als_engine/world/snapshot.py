"""A moment of some worlds as arrays and texts: copied, chosen from, joined, written to a file.

A file is safetensors, whose tensor `record` is JSON of a strict schema; nothing in it is executed.
What it says is compared with the worlds that it is restored to before anything of them changes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from als_engine.errors import SavedFileError, SnapshotError
from als_engine.limits import WORLDS
from als_engine.system.files import replacing
from als_engine.system.safe_files import TYPES, pack_tensors, read_bytes, unpack_tensors

__all__ = ["Client", "Generator", "Moment", "Snapshot"]

FORMAT: Final = 1
MAX_BYTES: Final = 1 << 30
"""The largest file that is read."""

_MAX_RECORD: Final = 1 << 26
_RECORD, _DIGEST = "record", "digest"
_STRICT: Final = ConfigDict(strict=True, extra="forbid", frozen=True)
_Number = Annotated[str, Field(pattern=r"^[0-9a-f]{1,32}$")]
_Texts = Annotated[tuple[str, ...], Field(max_length=100_000)]


class Generator(BaseModel):
    """The state of one of NumPy's generators, a PCG64; its numbers of 128 bits as hexadecimals."""

    model_config = _STRICT
    state: _Number
    increment: _Number
    has_uint32: Annotated[int, Field(ge=0, le=1)]
    uinteger: Annotated[int, Field(ge=0, lt=1 << 32)]

    @classmethod
    def of(cls, generator: np.random.Generator) -> Generator:
        """The state of a generator.

        Raises:
            SnapshotError: it is another kind of generator.
        """
        state = generator.bit_generator.state
        if state["bit_generator"] != "PCG64":
            raise SnapshotError(
                f"a snapshot holds generators of the kind PCG64, not {state['bit_generator']}"
            )
        return cls(
            state=f"{state['state']['state']:x}",
            increment=f"{state['state']['inc']:x}",
            has_uint32=state["has_uint32"],
            uinteger=state["uinteger"],
        )

    def make(self) -> np.random.Generator:
        """A generator in this state."""
        generator = np.random.default_rng(0)
        self.put(generator)
        return generator

    def put(self, generator: np.random.Generator) -> None:
        """Puts a PCG64 into this state."""
        generator.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": int(self.state, 16), "inc": int(self.increment, 16)},
            "has_uint32": self.has_uint32,
            "uinteger": self.uinteger,
        }


class Moment(BaseModel):
    """The part of one world's moment that is not arrays.

    Attributes:
        instructions: one for each avatar. signs, sounds: their texts.
        generator: draws the world's next levels.
        seed, np_random: of the client's generator, where a view has one.
    """

    model_config = _STRICT
    instructions: _Texts
    signs: _Texts
    sounds: _Texts
    generator: Generator
    seed: Annotated[int, Field(ge=-1, le=(1 << 128) - 1)] | None = None
    np_random: Generator | None = None


Client = tuple[int | None, Generator | None]
"""The seed and the state of a client's own generator."""


class _Record(BaseModel):
    """The schema of the record in a file."""

    model_config = _STRICT
    format: int = Field(ge=0, le=1_000)
    identity: dict[str, Any]
    moments: Annotated[tuple[Moment, ...], Field(min_length=1, max_length=WORLDS)]
    view: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A moment of one or several worlds; it shares nothing with them.

    Attributes:
        identity: what it is of: scenario, arguments, engine and version.
        arrays: by name; the first axis is the world.
        moments: what each world has beside arrays.
        view: what a view keeps about all of its worlds together, as JSON has it.
    """

    identity: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    moments: tuple[Moment, ...]
    view: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_worlds(self) -> int:
        """The number of worlds that it holds."""
        return len(self.moments)

    def select(self, worlds: ArrayLike) -> Snapshot:
        """Some of its worlds, in this order; one may come several times.

        Raises:
            SnapshotError: it has no such world.
        """
        rows = np.atleast_1d(np.asarray(worlds))
        if rows.dtype == np.bool_ and rows.shape == (self.num_worlds,):
            rows = np.flatnonzero(rows)
        known = rows.dtype.kind in "iu" and rows.ndim == 1 and rows.size > 0
        if not known or not 0 <= rows.min() <= rows.max() < self.num_worlds:
            raise SnapshotError(
                f"a snapshot of {self.num_worlds} worlds has no worlds {rows.tolist()}"
            )
        arrays = {name: array[rows] for name, array in self.arrays.items()}
        moments = tuple(self.moments[row] for row in rows.tolist())
        return Snapshot(self.identity, arrays, moments)

    def with_view(self, view: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Snapshot:
        """The same with what a view adds."""
        return replace(self, view=view, arrays={**self.arrays, **arrays})

    def with_clients(self, clients: Sequence[Client]) -> Snapshot:
        """The same with the clients' generators, one for each world."""
        moments = tuple(
            moment.model_copy(update={"seed": seed, "np_random": generator})
            for moment, (seed, generator) in zip(self.moments, clients, strict=True)
        )
        return replace(self, moments=moments)

    @classmethod
    def join(cls, parts: Sequence[Snapshot]) -> Snapshot:
        """The worlds of several snapshots of the same arguments, one after the other.

        Raises:
            SnapshotError: they are not of the same arguments, or of different views.
        """
        if not parts:
            raise SnapshotError("there is no snapshot to join")
        first = parts[0]
        for part in parts[1:]:
            if part.identity != first.identity or part.arrays.keys() != first.arrays.keys():
                raise SnapshotError(
                    "snapshots of other arguments, engines or views cannot be joined"
                )
        arrays = {
            name: _concatenate([part.arrays[name] for part in parts]) for name in first.arrays
        }
        moments = tuple(moment for part in parts for moment in part.moments)
        return cls(first.identity, arrays, moments)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a file, whole or not at all.

        Raises:
            SavedFileError: it cannot be written, or an array's type has no place in such a file.
        """
        target = Path(path)
        for name, array in self.arrays.items():
            if array.dtype.name not in TYPES.values():
                raise SavedFileError(f'{target}: "{name}" is {array.dtype}, which no file holds')
        record = _Record(
            format=FORMAT,
            identity=dict(self.identity),
            moments=self.moments,
            view=dict(self.view),
        )
        text = np.frombuffer(record.model_dump_json().encode(), np.uint8)
        digest = np.frombuffer(_digest(text, self.arrays), np.uint8)
        data = pack_tensors({**self.arrays, _RECORD: text, _DIGEST: digest})
        if len(data) > MAX_BYTES:
            raise SavedFileError(
                f"{target} would have {len(data)} bytes; at most {MAX_BYTES} are read: "
                "save fewer worlds in one file"
            )
        with replacing(target) as temporary:
            temporary.write_bytes(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Snapshot:
        """Reads one from a file, which may be somebody else's.

        Raises:
            SavedFileError: it is no snapshot, is damaged, or is of another version of the format.
        """
        source = Path(path)
        tensors = unpack_tensors(read_bytes(source, MAX_BYTES), source)
        text, digest = tensors.pop(_RECORD, None), tensors.pop(_DIGEST, None)
        for array in (text, digest):
            if array is None or array.dtype != np.uint8 or array.ndim != 1:
                raise SavedFileError(f"{source} is no snapshot")
        assert text is not None and digest is not None  # noqa: PT018
        if text.size > _MAX_RECORD:
            raise SavedFileError(f"{source} has a record of {text.size} bytes")
        if digest.tobytes() != _digest(text, tensors):
            raise SavedFileError(f"{source} is damaged: its digest is another one")
        try:
            record = _Record.model_validate_json(text.tobytes())
        except (ValidationError, RecursionError) as error:
            raise SavedFileError(f"{source} is no snapshot: {_reason(error)}") from None
        if record.format != FORMAT:
            raise SavedFileError(
                f"{source} is a snapshot of format {record.format}; this version reads {FORMAT}"
            )
        count = len(record.moments)
        for name, array in tensors.items():
            if array.shape[:1] != (count,):
                raise SavedFileError(
                    f'{source}: "{name}" has another number of worlds than {count}'
                )
        return cls(record.identity, tensors, record.moments, record.view)


def _concatenate(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays one after the other; shorter ones are filled up with 0."""
    shape = np.max([array.shape[1:] for array in arrays], axis=0).astype(int).tolist()
    whole = np.zeros((sum(len(array) for array in arrays), *shape), arrays[0].dtype)
    begin = 0
    for array in arrays:
        end = begin + len(array)
        whole[(slice(begin, end), *map(slice, array.shape[1:]))] = array
        begin = end
    return whole


def _digest(text: NDArray[np.uint8], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    digest = hashlib.blake2b(text.tobytes(), digest_size=32)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(repr((name, array.dtype.name, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {first['msg']}"[:200]
    return type(error).__name__
