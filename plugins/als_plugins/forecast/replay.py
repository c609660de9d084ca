"""Makes tracks of a dataset: its episodes are played again from their seeds and actions.

A dataset holds what avatars sensed, not where everybody was. A world that is reset with the same
seed and gets the same actions is the same world, bit for bit, with all of its company; the rewards
that were recorded prove it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.limits import check_memory
from als_engine.simulation import Simulation, simulate
from als_plugins.experience.consent import check_consent
from als_plugins.experience.records import SourceRecord, data_file, part_of, read_dataset
from als_plugins.forecast.tracks import PARTS, Doing, Tracks, TracksRecord

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

__all__ = ["replay_dataset"]

WORLDS: Final = 16
_SAME: Final = 1e-9
"""How far a reward of the replay may be from the recorded one."""

OnEpisode = Callable[[int, int], None]


@dataclass(frozen=True)
class _Recorded:
    """An episode of a world: its seed, and the actions and rewards of those who were driven."""

    seed: int
    level: int
    actions: NDArray[Any]  # (steps, observers, ...)
    rewards: NDArray[np.float64]  # (steps, observers)
    persons: list[str]  # (observers,) pseudonyms; empty where no person acted.


@dataclass
class _Seen:
    """What is taken down of one world, a list entry for each step that is kept."""

    position: list[NDArray[np.float32]]
    present: list[NDArray[np.bool_]]
    held: list[NDArray[np.int16]]
    said: list[NDArray[np.int16]]
    things: list[NDArray[np.float32]]
    things_present: list[NDArray[np.bool_]]

    @classmethod
    def empty(cls) -> _Seen:
        return cls([], [], [], [], [], [])


def replay_dataset(
    folder: Path,
    every: int = 3,
    scenario: str | None = None,
    on_episode: OnEpisode = lambda done, total: None,
) -> Tracks:
    """Plays the episodes of a dataset again and takes down where everybody was.

    Args:
        folder: of the dataset that `als collect` made.
        every: steps of the worlds for each step of the tracks; three are 0.2 seconds.
        scenario: whose episodes, where the dataset has those of several.
        on_episode: called with how many episodes are done, and how many there are.

    Raises:
        SavedFileError: it is no dataset or a damaged one, or what it recorded is not what happens
            now: another version of the scenario made it.
        ArgumentError: it has no episodes, or those of several scenarios and none is named, or it is
            of persons who have not agreed to forecasting.
    """
    sources = _chosen(folder, scenario)
    total = sum(source.episodes // source.observers for source in sources)
    check_consent(folder, sources, "forecasting")
    seen: list[tuple[_Recorded, _Seen]] = []
    record: TracksRecord | None = None
    for source in sources:
        episodes = list(_recorded(folder, source))
        worlds = min(WORLDS, len(episodes))
        # Sensors change no trajectory, and nobody reads them here.
        given = {**_own(source), "sensors": ["proprioception"], "split": source.split}
        simulation = simulate(source.scenario, worlds, source.observers, **given)
        try:
            record = record or _record(folder, source, simulation, every)
            done = len(seen)
            replay = _Replay(simulation, episodes, every)
            for number in replay.run():
                on_episode(done + number, total)
        finally:
            simulation.close()
        seen += zip(episodes, replay.seen, strict=True)
    assert record is not None
    return _joined(record, seen)


def _chosen(folder: Path, scenario: str | None) -> list[SourceRecord]:
    sources = [source for source in read_dataset(folder).sources if source.episodes]
    if scenario is not None:
        sources = [source for source in sources if source.scenario == scenario]
    if not sources:
        raise ArgumentError(f"{folder} has no episodes of {scenario or 'anything'}: `als collect`")
    kinds = {(source.scenario, source.arguments.get("num_avatars")) for source in sources}
    if len(kinds) > 1:
        names = ", ".join(sorted({source.scenario for source in sources}))
        raise ArgumentError(f"{folder} has different worlds ({names}): name one by --scenario")
    return sources


def _record(folder: Path, source: SourceRecord, simulation: Simulation, every: int) -> TracksRecord:
    state = simulation.state
    return TracksRecord(
        source=f"{folder.name}: {source.scenario}, {source.policy}",
        scenario=source.scenario,
        arguments=_own(source),
        time_step=state.time_step * every,
        names=list(simulation.agents),
        verbs=list(state.speech.verbs),
    )


def _own(source: SourceRecord) -> dict[str, Any]:
    """The arguments of the worlds themselves."""
    return {k: v for k, v in source.arguments.items() if k not in ("sensors", "frame_size")}


def _recorded(folder: Path, source: SourceRecord) -> Iterator[_Recorded]:
    """The episodes of a source, those of one world together."""
    from als_plugins.experience import episodes as files

    space = source.actions.space
    described = (str(space.dtype), tuple(space.shape or ()))
    with files.episode_file(data_file(folder, source.id)) as file:
        for first in range(0, source.episodes, source.observers):
            seeds, actions, rewards, persons, level = set(), [], [], [], -1
            for i in range(first, first + source.observers):
                group = files.episode_group(file, i)
                steps = files.read_attribute(group, "total_steps")
                if not 1 <= steps <= source.steps:
                    raise SavedFileError(f"{file.filename}: {group.name} has a wrong length")
                seeds.add(files.read_attribute(group, "seed"))
                persons.append(files.read_word(group, "person"))
                level = files.read_attribute(group, "level")
                actions.append(
                    files.read_array(group, "actions", described[0], (steps, *described[1]))[:]
                )
                rewards.append(files.read_array(group, "rewards", "float64", (steps,))[:])
            if len(seeds) > 1 or len({len(each) for each in rewards}) > 1:
                raise SavedFileError(
                    f"{file.filename}: episodes {first} to {i} are not of one world"
                )
            yield _Recorded(seeds.pop(), level, np.stack(actions, 1), np.stack(rewards, 1), persons)


class _Replay:
    """Gives every world that is free the next episode, and takes down what happens.

    Attributes:
        seen: of each episode.
    """

    def __init__(self, simulation: Simulation, episodes: Sequence[_Recorded], every: int) -> None:
        self.seen = [_Seen.empty() for _ in episodes]
        self._simulation, self._episodes, self._every = simulation, episodes, every
        space = simulation.action_space
        self._rest = np.zeros(
            (simulation.num_worlds, simulation.observers, *(space.shape or ())), space.dtype
        )

    def run(self) -> Iterator[int]:
        """Plays all of them; yields how many have ended."""
        simulation, total = self._simulation, len(self._episodes)
        running, coming, ended = np.arange(simulation.num_worlds), simulation.num_worlds, 0
        steps = np.zeros(simulation.num_worlds, np.intp)
        simulation.reset([self._episodes[i].seed for i in running.tolist()])
        said = self._said()
        self._note(running, steps, said)
        while (live := running >= 0).any():
            actions = self._rest.copy()
            for world in np.flatnonzero(live).tolist():
                actions[world] = self._episodes[running[world]].actions[steps[world]]
            simulation.advance(actions)
            now = self._said()
            said = np.where(now >= 0, now, said)
            over = self._compare(running, steps)
            steps += 1
            self._note(running, steps, said)
            said[steps % self._every == 0] = -1
            for world in np.flatnonzero(over).tolist():
                ended += 1
                running[world], coming = (coming, coming + 1) if coming < total else (-1, coming)
                steps[world] = 0
            # A world without an episode goes on beside the others, and nobody looks at it.
            if (free := np.flatnonzero(over | (running < 0) & _over(simulation))).size:
                seeds = [self._episodes[max(0, running[world])].seed for world in free.tolist()]
                simulation.reset(seeds, free)
                said[free] = -1
                self._note(np.where(over, running, -1), steps, said)
            if over.any():
                yield ended

    def _compare(self, running: NDArray[np.intp], steps: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which episodes this step has ended, if it is the step that was recorded."""
        over = np.zeros(len(running), np.bool_)
        rewards = self._simulation.rewards[:, : self._simulation.observers]
        done = _over(self._simulation)
        for world in np.flatnonzero(running >= 0).tolist():
            episode = self._episodes[running[world]]
            last = steps[world] == len(episode.actions) - 1
            level = int(self._simulation.state.level[world])
            apart = np.abs(rewards[world] - episode.rewards[steps[world]]).max()
            if apart > _SAME or level != episode.level or (done[world] and not last):
                raise SavedFileError(
                    f"episode {running[world]} of the dataset goes another way now, at step "
                    f"{steps[world] + 1}: another version of the scenario made it; collect it again"
                )
            over[world] = last
        return over

    def _said(self) -> NDArray[np.int32]:
        state = self._simulation.state
        return np.where(state.avatars.utterance >= 0, state.said_verb, -1)

    def _note(
        self, running: NDArray[np.intp], steps: NDArray[np.intp], said: NDArray[np.int32]
    ) -> None:
        state: WorldState = self._simulation.state
        avatars, props = state.avatars, state.props
        for world in np.flatnonzero((running >= 0) & (steps % self._every == 0)).tolist():
            seen = self.seen[running[world]]
            seen.position.append(avatars.position[world, :, :2].astype(np.float32))
            seen.present.append(avatars.present[world].copy())
            seen.held.append(avatars.held[world].astype(np.int16))
            seen.said.append(said[world].astype(np.int16))
            seen.things.append(props.position[world, :, :2].astype(np.float32))
            seen.things_present.append(props.present[world].copy())


def _over(simulation: Simulation) -> NDArray[np.bool_]:
    return simulation.terminated | simulation.truncated


def _joined(record: TracksRecord, seen: Sequence[tuple[_Recorded, _Seen]]) -> Tracks:
    """Pads all episodes to the longest one; persons are called by their pseudonyms."""
    scenes, steps = len(seen), max(len(each.position) for _, each in seen)
    people, things = len(record.names), len(seen[0][1].things[0])
    check_memory(f"{scenes} episodes of {steps} steps", scenes * steps * (13 * people + 9 * things))

    def padded(name: str, shape: tuple[int, ...], dtype: Any, rest: int = 0) -> NDArray[Any]:
        out = np.full((scenes, steps, *shape), rest, dtype)
        for i, (_, each) in enumerate(seen):
            rows = getattr(each, name)
            out[i, : len(rows)] = rows
        return out

    levels = np.array([each.level for each, _ in seen], np.int64)
    acted = [[*each.persons, *[""] * (people - len(each.persons))] for each, _ in seen]
    person = np.tile(np.arange(people, dtype=np.int32), (scenes, 1))
    persons = sorted({name for names in acted for name in names if name})
    for number, name in enumerate(persons, start=people):
        person[np.array(acted) == name] = number
    record = record.model_copy(update={"names": [*record.names, *persons]})
    doing = Doing(
        held=padded("held", (people,), np.int16, -1),
        said=padded("said", (people,), np.int16, -1),
        things=padded("things", (things, 2), np.float32),
        things_present=padded("things_present", (things,), np.bool_),
    )
    return Tracks(
        position=padded("position", (people, 2), np.float32),
        present=padded("present", (people,), np.bool_),
        person=person,
        part=np.array([PARTS.index(part_of(level)) for level in levels.tolist()], np.int8),
        level=levels,
        start=np.zeros(scenes),
        record=record,
        doing=doing,
    )
