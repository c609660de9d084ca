"""Episodes that a person played on a benchmark's levels, as files: what was done, and no name.

A file says which suite, entry and episode it was, and what the person did there, as the actions of
an agent. It claims no result: whoever reads it plays the episode again and sees what comes of it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, ValidationError

from als_engine.errors import SavedFileError
from als_engine.models import Model, Name
from als_engine.seeding import spread
from als_engine.system.files import write_text
from als_engine.system.safe_files import read_bytes

__all__ = [
    "PersonEpisode",
    "Pseudonym",
    "episode_seed",
    "read_episode",
    "read_episodes",
    "write_episode",
]

episode_seed = partial(spread, "benchmark")
"""The seed of an episode's world: called with a seed of the evaluation and the episode's number."""

Pseudonym = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
"""What a person is called: drawn at random, and bound to nothing else."""

MOST: Final = 32 << 20
"""The largest file that is read, bytes."""
FILES: Final = 10_000
_STEPS: Final = 200_000


class PersonEpisode(Model):
    """Schema of a file.

    Attributes:
        format: the version of this format.
        suite, entry: which. episode: its number there, from 0.
        person: who played.
        arguments: of the scenario, complete.
        actions: (steps, observers, ...).
        digest: of the world's state at the end.
    """

    format: Literal[1] = 1
    suite: Name
    entry: Annotated[str, Field(min_length=1, max_length=200)]
    episode: int = Field(ge=0, lt=1_000_000)
    person: Pseudonym
    arguments: dict[Name, JsonValue] = Field(default_factory=dict, max_length=50)
    actions: Annotated[list[list[JsonValue]], Field(min_length=1, max_length=_STEPS)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


def write_episode(folder: Path, episode: PersonEpisode) -> Path:
    """Writes a file, whole or not at all, and returns its path.

    Raises:
        SavedFileError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = [int(p.stem[7:]) for p in folder.glob("person-*.json") if p.stem[7:].isdigit()]
    path = folder / f"person-{1 + max(every, default=0):05d}.json"
    write_text(path, episode.model_dump_json() + "\n")
    return path


def read_episodes(folder: Path) -> list[tuple[Path, PersonEpisode]]:
    """Reads and checks all files of a folder, in order.

    Raises:
        SavedFileError: there is none, or one is damaged; names it and the first wrong field.
    """
    paths = sorted(folder.glob("person-*.json"))[: FILES + 1]
    if not paths:
        raise SavedFileError(f"{folder} holds no episode of a person; `als study SUITE` makes some")
    if len(paths) > FILES:
        raise SavedFileError(f"{folder} holds more than {FILES} episodes: divide it")
    return [(path, read_episode(path)) for path in paths]


def read_episode(path: Path) -> PersonEpisode:
    """Reads and checks a file.

    Raises:
        SavedFileError: it is damaged; names the first wrong field.
    """
    try:
        return PersonEpisode.model_validate_json(read_bytes(path, MOST))
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SavedFileError(f"{path} is no episode of a person: {where}: {first['msg']}") from None
