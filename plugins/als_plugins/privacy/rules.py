"""What stays of an episode when nobody is to be told by it: a rule for each kind of sensor.

What stands for what is decided by what a sensor is, never by looking at its numbers.

- Free text and voices go: `text`, `heard` and `audio`.
- Pictures go, in which everything stands: `rgb`, `depth` and `semantic`.
- In `entities`, who the others are goes: their identity and colour are drawn anew in each episode,
  and their bodies are all alike; so does which sound it was. Where things and others are, stays.
- `proprioception`, `touch` and `role` stay: how a body moves, what presses on it, which part it
  plays.
- Other sensors, of a task or a plugin, go unless they are named: nobody here knows what they tell.

Actions, rewards, lengths and how an episode ended stay, since they are what is to be learnt from;
what an action says is a number of the scenario's own phrases. Of the true state only where the
nearest prop is stays. The level becomes the first one of its part, and seed, number, place and name
go.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.sensors.columns import ENTITIES
from als_engine.task import split_of
from als_engine.world.body import Body
from als_plugins.experience.episodes import Episode
from als_plugins.experience.records import PARTS, part_of

__all__ = ["GONE", "KEPT", "anonymous", "keeps"]

GONE: Final = ("text", "heard", "audio", "rgb", "depth", "semantic")
"""Sensors that go."""
KEPT: Final = ("entities", "proprioception", "touch", "role")
"""Sensors that stay, as far as they tell nobody."""

_KIND: Final = {name: ENTITIES.index(name) for name in ("avatar", "sound")}
_IDENTITY: Final = ENTITIES.index("identity")
_COLOUR: Final = [ENTITIES.index(name) for name in ("red", "green", "blue")]
_BODY: Final = [ENTITIES.index(name) for name in ("length", "width", "height", "weight")]
_PLAIN: Final = Body()


def keeps(sensors: Collection[str], also: Collection[str] = ()) -> list[str]:
    """The sensors that stay, in their order."""
    return [key for key in sensors if key in KEPT or key in also]


def anonymous(
    episode: Episode,
    rng: np.random.Generator,
    also: Collection[str] = (),
    person: str | None = None,
) -> Episode:
    """An episode without who acted in it, who else was there, and when that was.

    Args:
        episode: as it was recorded; it is not changed.
        rng: draws what others are called and look like; one that nobody knows.
        also: further sensors that stay as they are.
        person: the pseudonym that it gets; None for a new one.
    """
    observations = {}
    for key in keeps(episode.observations, also):
        rule = _RULES.get(key)
        array = episode.observations[key]
        observations[key] = array if rule is None else rule(array, rng)
    rows = episode.steps + 1
    level = _first_level(int(episode.infos["level"][0]))
    return Episode(
        observations=observations,
        actions=episode.actions,
        rewards=episode.rewards,
        infos={
            "nearest_prop": episode.infos["nearest_prop"],
            "speaker": np.full(rows, -1, np.int64),
            "sign_number": np.full(rows, -1, np.int64),
            "level": np.full(rows, level, np.int64),
        },
        terminated=episode.terminated,
        attributes={
            "level": level,
            "split": split_of(level),
            "person": person or secrets.token_hex(4),
        },
    )


def _others(table: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """`entities`, (steps, rows, columns), without who the others are."""
    found = table.copy()
    avatars = found[..., _KIND["avatar"]] > 0
    for identity in np.unique(found[..., _IDENTITY][avatars]):
        same = avatars & (table[..., _IDENTITY] == identity)
        drawn = rng.random(1 + len(_COLOUR)).astype(np.float32)
        found[same, _IDENTITY] = drawn[0]
        for column, value in zip(_COLOUR, drawn[1:], strict=True):
            found[same, column] = value
    for column, value in zip(_BODY, _plain_body(), strict=True):
        found[avatars, column] = value
    found[found[..., _KIND["sound"]] > 0, _IDENTITY] = 0.0
    return found


def _plain_body() -> tuple[float, float, float, float]:
    """How `entities` sees a body of which nobody has said anything."""
    from als_engine.sensors.entity_rows import HALF_MASS, LARGEST

    across = min(2.0 * _PLAIN.radius / LARGEST, 1.0)
    weight = _PLAIN.mass / (_PLAIN.mass + HALF_MASS)
    return across, across, min(_PLAIN.height / LARGEST, 1.0), weight


_RULES: Final[Mapping[str, Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]]] = {
    "entities": _others
}


def _first_level(level: int) -> int:
    """The first level of the part that a level is in, for everybody the same."""
    return _FIRST[part_of(level), split_of(level)]


def _firsts() -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for level in range(1_000):  # Of the training levels eight in ten are in "train".
        found.setdefault((part_of(level), split_of(level)), level)
    for first in (10_000, 20_000):
        found[part_of(first), split_of(first)] = first
    assert {part for part, _ in found} == {*PARTS}
    return found


_FIRST: Final = _firsts()
