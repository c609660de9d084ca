"""Results of persons: what they did on a suite's levels is played again, and becomes rows.

A file of `als study SUITE` says what was done, and nothing of how well. So nobody can claim a
result: each episode is simulated from its actions, and has to end in the state that was recorded.
Persons are a yardstick. They never rank, and a number stands for each in place of a training seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_bench.claims import claims_of, origin_of, player_claims
from als_bench.identity import HUMAN, PERCEPTION
from als_bench.provenance import run_record
from als_bench.records import EVALUATION_SEED, Chunk, RunRecord, Unit
from als_bench.results.store import Store, StoreWriter
from als_bench.running.playing import Setting, Stage, play
from als_engine.agents.agent import Agent
from als_engine.errors import ALSError, SavedFileError, unknown
from als_engine.evaluation.persons import PersonEpisode, read_episodes
from als_engine.plugins.specs import SuiteEntry, SuiteSpec

__all__ = ["Added", "add_people"]

_SAME: Final = "arguments of its entry: record it anew with this suite"


@dataclass(frozen=True)
class Added:
    """What was added.

    Attributes:
        run: the record of the run that the rows belong to.
        episodes: how many are new; others were there already.
        people: how many persons played them.
    """

    run: RunRecord
    episodes: int
    people: int


def add_people(
    suite: SuiteSpec,
    folder: Path,
    store: Path,
    *,
    on_episode: Callable[[int, int], None] = lambda done, total: None,
) -> Added:
    """Adds the episodes of persons to a store; the same ones are not added twice.

    Args:
        suite: that they were recorded for.
        folder: with their files.
        store: the file of the results; made when it is missing.
        on_episode: called with how many of how many files have been played.

    Raises:
        SavedFileError: a file is damaged, of another suite or entry, or what was done in it does
            not lead where it says; names the file. Then nothing of it is stored.
        StoreError: the store cannot be read or written.
    """
    files = read_episodes(folder)
    entries = {entry.name: entry for entry in suite.entries}
    for path, episode in files:
        _check(path, episode, suite, entries)
    record = run_record(suite)
    added, people = 0, set[str]()
    with StoreWriter(store) as writer, Stage() as stage:
        writer.add_run(record)
        with Store(store) as stored:
            for number, (path, episode) in enumerate(files):
                unit = Unit(record.key, episode.entry, HUMAN, int(episode.person, 16))
                people.add(episode.person)
                if episode.episode not in stored.done(unit):
                    entry = entries[episode.entry]
                    chunk, claims = _played(path, episode, entry, record, unit, stage)
                    writer.add_claims(unit, claims)
                    writer.add_chunk(unit, chunk)
                    added += 1
                on_episode(number + 1, len(files))
    return Added(record, added, len(people))


def _check(
    path: Path, episode: PersonEpisode, suite: SuiteSpec, entries: Mapping[str, SuiteEntry]
) -> None:
    """Refuses what is not of this suite.

    Raises:
        SavedFileError: says what.
    """
    if episode.suite != suite.id:
        raise SavedFileError(f"{path} is of the suite {episode.suite}, not of {suite.id}")
    if episode.entry not in entries:
        raise SavedFileError(f"{path}: {suite.id}: {unknown('entry', episode.entry, [*entries])}")
    if episode.episode >= suite.episodes:
        raise SavedFileError(f"{path}: {suite.id} has episodes 0 to {suite.episodes - 1}")
    entry = entries[episode.entry]
    if entry.observers != 1:
        raise SavedFileError(f"{path}: {entry.name} is for {entry.observers} avatars, not a person")
    if _of_the_task(episode.arguments) != _of_the_task({**entry.arguments, **entry.held_out}):
        raise SavedFileError(f"{path} was not played with the {_SAME}")


def _of_the_task(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments without what an agent chooses, and without what is as it always is."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in arguments.items()
        if name not in PERCEPTION and value is not None
    }


def _played(
    path: Path,
    episode: PersonEpisode,
    entry: SuiteEntry,
    run: RunRecord,
    unit: Unit,
    stage: Stage,
) -> tuple[Chunk, dict[str, Any]]:
    """What comes of an episode's actions, and the claims that its log begins with."""
    arguments = {**entry.arguments, **entry.held_out}
    if "action_mode" in episode.arguments:
        arguments["action_mode"] = episode.arguments["action_mode"]
    claims = claims_of(
        run, scenario=entry.scenario, arguments=arguments, split=entry.split,
        observers=entry.observers, seed=unit.seed, player=player_claims(HUMAN, {}, {}),
    )  # fmt: skip
    # What a person saw is the page; sensors change no trajectory.
    blind = {**arguments, "sensors": ()}
    setting = Setting(entry, blind, entry.split, origin_of(claims), EVALUATION_SEED, num_worlds=1)
    try:
        simulation = stage.simulation(setting, 1)
        done = _Done(path, episode, simulation.observation_space, simulation.action_space)
        chunk = play(done, setting, range(episode.episode, episode.episode + 1), stage=stage)
        digest = simulation.state.digest(0).hex()
    except SavedFileError:
        raise
    except (ALSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SavedFileError(f"{path} cannot be played: {reason}") from None
    if len(chunk.actions) != len(episode.actions) or digest != episode.digest:
        raise SavedFileError(
            f"{path}: what was done does not end as it did: the engine, the scenario or the file "
            "has changed"
        )
    return chunk, claims


class _Done(Agent):
    """Does what a file says, step by step."""

    def __init__(self, path: Path, episode: PersonEpisode, *spaces: Any) -> None:
        super().__init__(*spaces)
        try:
            actions = np.asarray(episode.actions, self.action_space.dtype)
        except (ValueError, TypeError, OverflowError):
            actions = np.zeros(0)
        if actions.shape != (len(episode.actions), 1, *(self.action_space.shape or ())):
            raise SavedFileError(f"{path}: the actions are none of {self.action_space}")
        self._steps: Iterator[NDArray[Any]] = iter(actions)
        self._last = actions[-1]

    def act(
        self, observation: Mapping[str, NDArray[Any]], state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """The next of them; the last one again where the episode goes on after it."""
        return next(self._steps, self._last), None
