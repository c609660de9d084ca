"""Writes a dataset anew so that nobody in it is called by a name, a voice or a picture."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from als_engine.agents.run_folder import claimed
from als_engine.agents.saving import versions
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.system.locking import LOCK
from als_engine.system.safe_files import replace_folder
from als_plugins.experience import episodes as files
from als_plugins.experience.collect import UNFINISHED
from als_plugins.experience.consent import OF_PERSONS
from als_plugins.experience.episodes import Episode
from als_plugins.experience.records import (
    DatasetRecord,
    SourceRecord,
    data_file,
    read_dataset,
    source_id,
    write_dataset,
)
from als_plugins.experience.shards import Shards
from als_plugins.experience.together import put_together
from als_plugins.privacy.rules import anonymous, keeps

__all__ = ["Anonymised", "anonymise", "cut_out", "pieces"]

MOST = 100_000
"""Pseudonyms that a source can list."""


@dataclass(frozen=True)
class Anonymised:
    """What was written.

    Attributes:
        folder: of the new dataset.
        episodes, steps: of it.
        kept, gone: sensors.
    """

    folder: Path
    episodes: int
    steps: int
    kept: list[str]
    gone: list[str]


def anonymise(
    folder: Path,
    out: Path,
    *,
    also: Collection[str] = (),
    cut: int | None = None,
    on_episode: Callable[[int, int], None] = lambda done, total: None,
) -> Anonymised:
    """Writes a dataset without identities, voices and free text; see `rules` for what stays.

    Each episode gets a pseudonym of its own, and sources that differ by who acted become one, in
    an order that nobody knows. The new folder is there whole or not at all; called again it would
    hold other pseudonyms.

    Args:
        folder: of the dataset, which stays as it is.
        out: a new or empty folder.
        also: further sensors to keep as they are.
        cut: steps; longer episodes are cut into pieces of so many, each with its own pseudonym.
        on_episode: told how many of how many episodes have been read.

    Raises:
        SavedFileError: it is no dataset or a damaged one, or `out` holds something.
        ArgumentError: a sensor of `also` is not there, or no sensor would stay.
    """
    sources = [each for each in read_dataset(folder).sources if each.episodes]
    if not sources:
        raise SavedFileError(f"{folder} has no episodes to write anew")
    every = dict.fromkeys(key for source in sources for key in source.observations)
    for key in also:
        if key not in every:
            raise ArgumentError(
                f'{folder} has no sensor "{key}" to keep: it has {", ".join(every)}'
            )
    if out.exists() and (not out.is_dir() or any(each.name != LOCK for each in out.iterdir())):
        raise SavedFileError(f"{out} holds other files: name a new or empty folder")
    if out.resolve() == folder.resolve():
        raise ArgumentError("--out is the dataset itself: name another folder")
    groups = _groups(sources, also)
    total = [0, sum(each.episodes for each in sources)]

    def read() -> None:
        total[0] += 1
        on_episode(*total)

    written: list[SourceRecord] = []

    def fill(new: Path) -> None:
        for record, members in groups:
            written.append(_write(folder, new, record, members, also, cut, read))
        with suppress(OSError):
            (new / UNFINISHED).rmdir()
        write_dataset(new, DatasetRecord(sources=written))

    with claimed(folder):
        replace_folder(out, fill)
    kept = keeps(every, also)
    return Anonymised(
        out,
        sum(each.episodes for each in written),
        sum(each.steps for each in written),
        kept,
        [key for key in every if key not in kept],
    )


def pieces(steps: int, cut: int | None) -> list[tuple[int, int]]:
    """Where an episode is cut, as (first step, end); a step between two pieces is left out.

    So no observation is in two of them, by which they could be put together again.

    Args:
        steps: of the episode.
        cut: the most steps of a piece; None to leave the episode whole.
    """
    if cut is None or steps <= cut:
        return [(0, steps)]
    return [(first, min(first + cut, steps)) for first in range(0, steps, cut + 1)]


def cut_out(episode: Episode, first: int, end: int) -> Episode:
    """A piece of an episode; what follows it is its last observation.

    Only a piece with the last step ends as the episode did.
    """
    return Episode(
        observations={k: a[first : end + 1] for k, a in episode.observations.items()},
        actions=episode.actions[first:end],
        rewards=episode.rewards[first:end],
        infos={k: a[first : end + 1] for k, a in episode.infos.items()},
        terminated=episode.terminated and end == episode.steps,
        attributes=episode.attributes,
    )


def _groups(
    sources: list[SourceRecord], also: Collection[str]
) -> list[tuple[SourceRecord, list[SourceRecord]]]:
    """New sources, which do not say who acted, each with the old ones that it is made of.

    Raises:
        ArgumentError: none of a source's sensors would stay.
    """
    found: dict[str, tuple[SourceRecord, list[SourceRecord]]] = {}
    for source in sources:
        kept = keeps(source.observations, also)
        if not kept:
            had = ", ".join(source.observations)
            raise ArgumentError(
                f"none of the sensors of {source.id} would stay ({had}): name one to keep, if it "
                "tells nobody"
            )
        policy = source.policy if source.policy in OF_PERSONS else "anonymous"
        identity: dict[str, Any] = {
            "arguments": {**source.arguments, "sensors": kept},
            "agent": None,
            "observers": source.observers,
            "split": source.split,
            "seed": 0,
        }
        people = source.people
        if people is not None:
            people = people.model_copy(update={"persons": []})
        described: dict[str, Any] = {
            "observations": {key: source.observations[key] for key in kept},
            "actions": source.actions,
            "people": people,
        }
        shown = {key: str(value) for key, value in described.items()}
        record = SourceRecord(
            id=source_id(source.scenario, policy, {**identity, **shown}),
            scenario=source.scenario,
            policy=policy,
            versions=versions(),
            **identity,
            **described,
        )
        found.setdefault(record.id, (record, []))[1].append(source)
    return [*found.values()]


def _write(
    folder: Path,
    new: Path,
    record: SourceRecord,
    members: list[SourceRecord],
    also: Collection[str],
    cut: int | None,
    read: Callable[[], None],
) -> SourceRecord:
    """Writes a new source into a new dataset."""
    rng = np.random.default_rng(secrets.randbits(128))
    order = []
    for member in members:
        with files.episode_file(data_file(folder, member.id)) as file:
            for number in range(member.episodes):
                group = files.episode_group(file, number)
                steps = files.read_attribute(group, "total_steps")
                if not 1 <= steps <= member.steps:
                    raise SavedFileError(f"{file.filename}: {group.name} has {steps} steps")
                order += [(member, number, *piece) for piece in pieces(steps, cut)]
    if len(order) > MOST:
        raise ArgumentError(f"{record.id} would have more than {MOST} episodes: divide it")
    secrets.SystemRandom().shuffle(order)
    sensors: dict[str, gymnasium.Space[Any]] = {
        key: sensor.space for key, sensor in record.observations.items()
    }
    spaces = gymnasium.spaces.Dict(sensors), record.actions.space
    shards = Shards(new / UNFINISHED / record.id.removeprefix("als/"), record)
    persons: list[str] = []
    try:
        for member, number, first, end in order:
            with files.episode_file(data_file(folder, member.id)) as file:
                episode = files.read_episode(files.episode_group(file, number), member)
            told = anonymous(cut_out(episode, first, end), rng, also)
            person = str(told.attributes["person"])
            shards.add([_named(told, record.policy)], len(persons))
            persons.append(person)
            if shards.due:
                shards.write()
            if first == 0:
                read()
        shards.write()
        shards.settle()
        whole = put_together(new, record, shards, spaces)
        shards.delete()
    finally:
        shards.close()
    if whole.people is None:
        return whole
    people = whole.people.model_copy(update={"persons": sorted(persons)})
    return whole.model_copy(update={"people": people})


def _named(episode: Episode, policy: str) -> Episode:
    """With the policy's name, as every episode of a dataset has it."""
    return Episode(
        episode.observations, episode.actions, episode.rewards, episode.infos, episode.terminated,
        {**episode.attributes, "policy": policy},
    )  # fmt: skip
