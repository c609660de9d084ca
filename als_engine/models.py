"""Typed models of what a user or a file gives: strict, and one line where one does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.system.safe_files import read_bytes

__all__ = ["MAX_RECORD", "Model", "Name", "checked_fields", "read_model"]

MAX_RECORD: Final = 1 << 20
"""The largest JSON file that is read, bytes."""

Name = Annotated[str, Field(min_length=1, max_length=100)]

_ModelT = TypeVar("_ModelT", bound=BaseModel)


class Model(BaseModel):
    """Unknown fields, wrong types and numbers that are not finite are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@contextmanager
def checked_fields() -> Iterator[None]:
    """Makes a model of what a user has given.

    Raises:
        ArgumentError: the model refuses a field; names it.
    """
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise ArgumentError(f"{name}: {first['msg']}, got {first['input']!r}") from None


def read_model(path: Path, model: type[_ModelT]) -> _ModelT:
    """Reads a JSON file as a pydantic model.

    Raises:
        SavedFileError: it is missing, or not what it should be; names the first wrong field.
    """
    try:
        return model.model_validate_json(read_bytes(path, MAX_RECORD))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        # The number that is too large, but no stranger's text.
        number = isinstance(first["input"], (int, float)) and "limit" not in first["type"]
        got = f", got {first['input']!r:.40}" if number else ""
        raise SavedFileError(
            f"{path}: {where + ': ' if where else ''}{first['msg']}{got}"
        ) from None
