"""Shapes of what a store's queries return: every row is checked once, here, where it is read.

SQLite lets any column hold any type, and a store may come from a stranger. Nothing behind this
boundary checks again.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import ConfigDict, Field, Json, JsonValue, StringConstraints, TypeAdapter
from typing_extensions import TypedDict

from als_bench.records import TIERS

T = TypeVar("T")

RUN_KEY: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$"
UNIT_NAME: Final = r"^[^\x00-\x20\x7f=+@-][^\x00-\x1f\x7f]{0,199}$"
"""A name ends up in spreadsheets, where =, +, - and @ begin a formula."""

_Key = Annotated[str, StringConstraints(pattern=RUN_KEY)]
_Name = Annotated[str, StringConstraints(pattern=UNIT_NAME)]
_Digest = Annotated[str, StringConstraints(pattern="^[0-9A-Za-z]{0,64}$")]
_Text = Annotated[str, Field(max_length=100_000)]
_Word = Annotated[str, Field(max_length=200)]
_Tier = Annotated[str, StringConstraints(pattern=f"^({'|'.join(TIERS)})$")]
_Integer = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
_Count = Annotated[int, Field(ge=0, lt=1 << 53)]
_Number = Annotated[float, Field(allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0.0, le=1.0)]

_Suite = Json[dict[str, JsonValue]]
_Words = Json[dict[_Word, _Word]]
_Metrics = Json[dict[_Word, float | None]]
_Curve = Json[Annotated[list[tuple[_Count, _Number]], Field(max_length=1_000_000)]]


class _Player(TypedDict):
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]

    agent: _Word
    config: dict[str, JsonValue]
    files: dict[_Word, _Digest]


class _Claims(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    arguments: dict[str, JsonValue]
    observers: _Count
    partner: _Player | None
    player: _Player
    scenario: _Word
    split: _Word


def _shape(row: Any) -> TypeAdapter[Any]:
    return TypeAdapter(row, config=ConfigDict(strict=True))


RUN: Final = _shape(tuple[_Key, _Suite, _Words, _Words, _Tier, _Digest, Json[dict[str, JsonValue]]])
"""Key, suite, code, versions, tier, bundle, machine."""
UNIT: Final = _shape(tuple[_Key, _Name, _Name, _Integer])
"""Run, entry, agent, training seed."""
EPISODE: Final = _shape(
    tuple[_Count, _Integer, _Integer, _Count, _Number, _Share, Literal[0, 1], _Integer, _Metrics]
)
"""Number, seed, level, length, total, success, terminated, chain, metrics."""
TRAINING: Final = _shape(tuple[_Digest, _Curve, _Count, _Number, _Count, _Count])
"""Digest of the agent's files, curve, steps, seconds, attempts, demonstrated steps."""
EFFORT: Final = _shape(tuple[_Name, _Number, _Number])
"""Agent, and the means of its trainings' steps and demonstrated steps."""
FAILURE: Final = _shape(tuple[_Key, _Name, _Name, _Integer, _Text])
"""A unit and why it has no further episodes."""
VERDICT: Final = _shape(tuple[_Name, _Tier, _Digest, _Text])
"""Agent, tier, bundle, detail."""
SEED_MEAN: Final = _shape(tuple[_Name, _Name, _Integer, _Count, _Number, _Share, _Number])
"""Entry, agent, training seed, number of episodes, and the means of return, success and length."""
CLAIMS: Final = _shape(tuple[Json[_Claims]])
"""See `als_bench.claims.claims_of`."""
PLAYED: Final = _shape(tuple[_Name, Json[_Claims]])
"""Agent, claims."""
COUNT: Final = _shape(tuple[_Count])
DIGEST: Final = _shape(tuple[_Digest])
