"""Levels as hard as wanted and unlike each other, by edits of drawn ones and an agent that plays.

After ACCEL (Parker-Holder et al. 2022, "Evolving curricula with regret-based environment design"):
levels at the edge of what an agent can do are edited, again and again. Here the agent stays as it
is meanwhile, and the edge is a success rate that is asked for.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from als_engine.agents.agent import Agent
from als_engine.agents.curriculum.base import LEVELS_FILE
from als_engine.agents.curriculum.playing import play_once
from als_engine.envs.rows import Rows
from als_engine.errors import SavedFileError
from als_engine.limits import EPISODES, MAX_SEED, STEPS
from als_engine.models import Model, Name
from als_engine.seeding import Generators, spread
from als_engine.simulation import Simulation
from als_engine.system.safe_files import read_bytes
from als_engine.task import EDITS, LAST_LEVEL, LEVELS, MOST_EDITS, edited_level, unedited_level
from als_engine.world.layout import Layout, Spawn

__all__ = ["LevelsRecord", "MadeLevel", "Wish", "displaced", "make_levels", "parents_of"]

WORLDS: Final = 16
"""Played at once."""
MOST: Final = 1_000
"""Levels that are made, or edited."""
_LEVELS_CSV: Final = 1 << 20
"""The largest file of levels that is read, bytes."""

Told = Callable[[int, int], None]
Numbers = NDArray[np.float64]


class Wish(Model):
    """What kind of levels to make.

    Attributes:
        target: the part of the episodes in which the agent is to succeed.
        count: how many levels.
        parents: how many are edited in each round, and how many are begun with.
        rounds: of edits; each adds one edit to some levels.
        episodes: in which the agent plays each level.
        apart: how far things are displaced, on average, from one made level to any other, metres.
        seed: of edits and episodes.
    """

    target: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    count: Annotated[int, Field(ge=1, le=MOST)] = 32
    parents: Annotated[int, Field(ge=1, le=MOST)] = 32
    rounds: Annotated[int, Field(ge=0, le=MOST_EDITS)] = 2
    episodes: Annotated[int, Field(ge=1, le=EPISODES)] = 4
    apart: Annotated[float, Field(ge=0.0, le=100.0)] = 0.1
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0


class MadeLevel(Model):
    """A level, and how the agent fared on it.

    Attributes:
        level: its number. success: the part of the episodes. mean_return: of these.
        edited_from: the level of which the last edit made it; None for one that was drawn.
    """

    level: Annotated[int, Field(ge=0, le=LAST_LEVEL)]
    edited_from: Annotated[int, Field(ge=0, le=LAST_LEVEL)] | None
    success: Annotated[float, Field(ge=0.0, le=1.0)]
    mean_return: float


class LevelsRecord(Model):
    """Schema of `levels.json`.

    Attributes:
        format: the version of this format.
        scenario: its id. arguments: of it.
        wish: what was asked for.
        steps: of the agent, that it took to play them.
        levels: what was made, the nearest to the target first.
        drawn: the levels that were begun with.
    """

    format: Literal[1] = 1
    scenario: Name
    arguments: dict[str, JsonValue]
    wish: Wish
    steps: Annotated[int, Field(ge=1, le=STEPS)]
    levels: Annotated[list[MadeLevel], Field(min_length=1, max_length=MOST)]
    drawn: Annotated[list[MadeLevel], Field(min_length=1, max_length=MOST)]


def parents_of(run: Path, count: int, seed: int) -> list[int]:
    """Levels to begin with: those of the highest scores in a training's `levels.csv`.

    A training without prioritised level replay has none; then they are drawn evenly.

    Raises:
        SavedFileError: the file is damaged.
    """
    path = run / LEVELS_FILE
    if not path.is_file():
        rng = np.random.default_rng(spread("parents of made levels", seed))
        drawn: list[int] = rng.choice(np.asarray(LEVELS["train"]), count, replace=False).tolist()
        return drawn
    try:
        rows = csv.DictReader(read_bytes(path, _LEVELS_CSV).decode("ascii").splitlines())
        scored = [(-float(row["score"]), int(row["level"])) for row in rows if row["score"]]
    except (KeyError, TypeError, ValueError):
        raise SavedFileError(f"{path} is no list of levels as a training writes it") from None
    if not scored:
        raise SavedFileError(f"{path} has no level with a score yet: train for longer")
    return [level for _, level in sorted(scored)[:count]]


def make_levels(
    agent: Agent,
    rows: Rows,
    parents: Sequence[int],
    wish: Wish,
    should_stop: Callable[[], bool] = lambda: False,
    on_played: Told = lambda done, total: None,
) -> tuple[list[MadeLevel], list[MadeLevel], int]:
    """Plays levels, edits those nearest to the target, and so on; chooses from all of them.

    Args:
        agent: plays.
        rows: its worlds, of the train split.
        parents: levels to begin with.
        wish: what is wanted.
        should_stop: asked while it lasts.
        on_played: told how many episodes are played, of how many.

    Returns:
        What was made, the nearest to the target first: fewer than wanted where not so many are far
        enough apart. Then the levels that were begun with, and how many steps were taken.

    Raises:
        LayoutError: levels of this scenario are not edited.
        KeyboardInterrupt: it was told to stop.
    """
    rng = np.random.default_rng(spread("edits of levels", wish.seed))
    total, done = len(parents) * (1 + wish.rounds) * wish.episodes, 0
    known: dict[int, MadeLevel] = {}
    steps = 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        on_played(done, total)

    def nearest() -> list[MadeLevel]:
        # Of those equally near the newest first, which have more edits.
        newest = list(known.values())[::-1]
        return sorted(newest, key=lambda each: abs(each.success - wish.target))

    rows.worlds.simulation.lay_out(edited_level(parents[0], 1))  # It may have no edits.
    with Generators(spread("generators of made levels", wish.seed)):
        agent.seed(spread("agent of made levels", wish.seed))
        asked = list(dict.fromkeys(parents))
        for _ in range(wish.rounds + 1):
            found, taken = _played(agent, rows, asked, wish, should_stop, told)
            known.update(found)
            steps += taken
            fit = [each.level for each in nearest() if _can_be_edited(each.level)]
            edits = rng.integers(1, EDITS, len(parents)).tolist()
            asked = [edited_level(level, edit) for level, edit in zip(fit, edits, strict=False)]
            asked = [level for level in dict.fromkeys(asked) if level not in known]
    drawn = [known[level] for level in dict.fromkeys(parents)]
    return _unlike(nearest(), rows.worlds.simulation, wish), drawn, steps


def displaced(one: Layout, other: Layout) -> float:
    """How far things and players of two levels are from each other, on average, metres."""
    apart: Numbers = np.hypot(*(_places(one) - _places(other)).T)
    return float(apart.mean())


def _played(
    agent: Agent,
    rows: Rows,
    levels: Sequence[int],
    wish: Wish,
    should_stop: Callable[[], bool],
    told: Callable[[int], None],
) -> tuple[dict[int, MadeLevel], int]:
    each = np.repeat(np.asarray(levels, np.int64), wish.episodes).tolist()
    success, returns = np.zeros(len(each)), np.zeros(len(each))
    steps = 0
    for low in range(0, len(each), rows.num_worlds):
        some = each[low : low + rows.num_worlds]
        filled = [*some, *[some[-1]] * (rows.num_worlds - len(some))]
        # The same level at another place in the list is met with other company.
        seed = spread("episodes on made levels", wish.seed, some[0], low)
        found = play_once(agent, rows, "made levels", seed, should_stop, filled)
        if found is None:
            raise KeyboardInterrupt
        success[low : low + len(some)] = found.success[: len(some)]
        returns[low : low + len(some)] = found.returns[: len(some)]
        steps += int(found.lengths[: len(some)].sum())
        told(len(some))
    by_level = (-1, wish.episodes)
    means = success.reshape(by_level).mean(1), returns.reshape(by_level).mean(1)
    made = {
        level: MadeLevel(
            level=level,
            edited_from=unedited_level(level),
            success=succeeded,
            mean_return=round(earned, 4),
        )
        for level, succeeded, earned in zip(levels, *(mean.tolist() for mean in means), strict=True)
    }
    return made, steps


def _unlike(candidates: Sequence[MadeLevel], simulation: Simulation, wish: Wish) -> list[MadeLevel]:
    chosen: list[MadeLevel] = []
    layouts: list[Layout] = []
    for each in candidates:
        layout = simulation.lay_out(each.level)
        if all(displaced(layout, other) >= wish.apart for other in layouts):
            chosen.append(each)
            layouts.append(layout)
        if len(chosen) == wish.count:
            break
    return chosen


def _can_be_edited(level: int) -> bool:
    edits, before = 0, unedited_level(level)
    while before is not None:
        edits, before = edits + 1, unedited_level(before)
    return edits < MOST_EDITS


def _places(layout: Layout) -> Numbers:
    spots = [prop.position for prop in layout.props.values()]
    spots += [spawn.position if isinstance(spawn, Spawn) else spawn for spawn in layout.spawns]
    return np.array([(spot[0], spot[1]) for spot in spots])
