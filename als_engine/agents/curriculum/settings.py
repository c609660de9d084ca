"""What a curriculum is asked for: a name, a TOML file or a mapping; kept in `training.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, JsonValue, TypeAdapter, ValidationError

from als_engine.errors import ArgumentError
from als_engine.limits import EPISODES, STEPS
from als_engine.models import Model
from als_engine.system.safe_files import is_file
from als_engine.system.toml_files import read_toml
from als_engine.task import LAST_LEVEL, LEVELS, split_of

__all__ = [
    "PLR",
    "CurriculumSettings",
    "Given",
    "ReplaySettings",
    "RulesSettings",
    "label",
    "parse",
]

PLR: Final = "plr"

Name = Annotated[str, Field(min_length=1, max_length=100)]


def _of_train(level: int) -> int:
    if split_of(level) != "train":
        raise ValueError(f"level {level} is none of the train split")
    return level


def _each_once(levels: list[int]) -> list[int]:
    if len(set(levels)) < len(levels):
        raise ValueError("a level is there twice")
    return levels


Level = Annotated[int, Field(ge=0, le=LAST_LEVEL), AfterValidator(_of_train)]
Chosen = Annotated[
    list[Level],
    Field(min_length=1, max_length=len(LEVELS["train"])),
    AfterValidator(_each_once),
]
Stage = Annotated[dict[Name, JsonValue], Field(min_length=1, max_length=50)]


class ReplaySettings(Model):
    """Prioritised level replay (Jiang et al. 2021).

    Attributes:
        levels: how many levels of the train split are trained on, the first ones; all by default.
        chosen: the numbers of those that are trained on instead, maybe edited (`Task.edit`).
        temperature: beta; a level weighs (1 / rank) ** (1 / beta), the highest score has rank 1.
        staleness: rho, the part of the replay distribution by how long ago a level was drawn.
        replay: the probability of drawing a level that has a score, once `anneal` levels have one;
            until then it rises in proportion. Where no level is left without a score it is 1.
        anneal: levels.
        every: environment steps between two lines of the log.
    """

    kind: Literal["plr"] = "plr"
    levels: int = Field(default=len(LEVELS["train"]), ge=1, le=len(LEVELS["train"]))
    chosen: Chosen | None = None
    temperature: float = Field(default=0.1, ge=0.01, le=100.0)
    staleness: float = Field(default=0.1, ge=0.0, le=1.0)
    replay: float = Field(default=0.5, ge=0.0, le=1.0)
    anneal: int = Field(default=200, ge=1, le=len(LEVELS["train"]))
    every: int = Field(default=10_000, ge=1, le=STEPS)


class RulesSettings(Model):
    """Stages in which a scenario has other arguments, up to those of the training itself.

    Attributes:
        stages: arguments of the scenario, by name, of each stage; a stage keeps what it does not
            name of the one before. After the last comes the scenario as the training names it.
        success: the part of the validation episodes that have to succeed for the next stage.
        episodes: validation episodes of each look.
        every: environment steps between two looks.
        follow: whether the difficulty follows the learner, so that about this part of the episodes
            succeeds: stages go back as well, by the staircase of `staircase.py`.
    """

    kind: Literal["rules"] = "rules"
    stages: list[Stage] = Field(min_length=1, max_length=50)
    success: float = Field(default=0.7, gt=0.0, le=1.0)
    episodes: int = Field(default=32, ge=1, le=EPISODES)
    every: int = Field(default=20_000, ge=1, le=STEPS)
    follow: bool = False


CurriculumSettings = Annotated[ReplaySettings | RulesSettings, Field(discriminator="kind")]

_ADAPTER: Final[TypeAdapter[ReplaySettings | RulesSettings]] = TypeAdapter(CurriculumSettings)


Given = str | Path | Mapping[str, Any] | ReplaySettings | RulesSettings


def parse(given: Given) -> ReplaySettings | RulesSettings:
    """Returns the settings of a curriculum.

    Args:
        given: "plr", a TOML file, or what such a file says: the fields of `ReplaySettings`, with
            `kind = "plr"`, or those of `RulesSettings`.

    Raises:
        ArgumentError: it is no curriculum; names the field.
        SavedFileError: the file cannot be read.
    """
    if isinstance(given, (ReplaySettings, RulesSettings)):
        return given
    if isinstance(given, Mapping):
        return _checked("curriculum", given)
    if not isinstance(given, (str, Path)):
        raise ArgumentError(f'curriculum: "{PLR}", a file or a mapping is needed, got {given!r}')
    if str(given) == PLR:
        return ReplaySettings()
    path = Path(given)
    if not is_file(path):
        raise ArgumentError(f'curriculum: "{given}" is neither "{PLR}" nor a TOML file with rules')
    return _checked(str(path), read_toml(path)[0])


def _checked(name: str, values: Mapping[str, Any]) -> ReplaySettings | RulesSettings:
    kind = "rules" if "stages" in values else PLR
    if kind == PLR and "kind" not in values:
        got = ", ".join(map(str, values)) or "none"
        raise ArgumentError(f'{name}: a curriculum has stages, or kind = "{PLR}"; got {got:.100}')
    try:
        # By way of JSON, so that what a file says and what is kept of it are the same.
        return _ADAPTER.validate_json(json.dumps({"kind": kind, **values}))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ArgumentError(
            f"{name}: {where}: {first['msg']}, got {first['input']!r:.100}"
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"{name}: {error!s:.100}") from None


def label(settings: ReplaySettings | RulesSettings) -> str:
    """A short name that tells a curriculum from others."""
    kept = settings.model_dump_json(exclude_none=True)
    if settings == ReplaySettings():
        return PLR
    return f"{settings.kind} {hashlib.blake2b(kept.encode(), digest_size=2).hexdigest()}"
