"""Takes a person's episodes out of a dataset: no byte of them stays in it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import h5py

from als_engine.agents.run_folder import claimed
from als_engine.plugins.findings import Purged
from als_engine.system.safe_files import inside, is_file
from als_plugins.experience import episodes as files
from als_plugins.experience.adding import Adding
from als_plugins.experience.records import (
    RECORD,
    DatasetRecord,
    SourceRecord,
    read_dataset,
    write_dataset,
)
from als_plugins.experience.together import take_out

__all__ = ["TakenOut", "purge", "purge_dataset"]


@dataclass(frozen=True)
class TakenOut:
    """What was taken out of a dataset.

    Attributes:
        episodes, steps: how many.
        known: who else has acted in it.
        named: whether the record named the person.
        agents: folders of agents beside the dataset, which may have learnt from them.
    """

    episodes: int
    steps: int
    known: tuple[str, ...]
    named: bool
    agents: tuple[Path, ...]


def purge_dataset(path: Path, person: str) -> Purged | None:
    """Takes a person out of a dataset; see `als_engine.plugins.hookspecs.Purger`."""
    if not is_file(path / RECORD):
        return None
    found = purge(path, person)
    if not found.named and not found.episodes:
        return Purged(known=found.known)
    notes: tuple[str, ...] = ()
    if found.agents:
        named = ", ".join(each.name for each in found.agents)
        notes = (
            f"The agents in {path / 'agents'} ({named}) may have learnt from them: delete those, "
            "and let others learn from what is left.",
        )
    gone = f"{found.episodes} episodes of {person} are gone, {found.steps:,} steps"
    return Purged(gone, found.known, notes)


def purge(folder: Path, person: str) -> TakenOut:
    """Takes out what a person did, from the dataset, its cache, and what has not joined it yet.

    Interrupted, it goes on when it is called again: the person leaves the list of those who acted
    last.

    Args:
        folder: of a dataset; other writers are kept out of it.
        person: the pseudonym, as the episodes have it.

    Raises:
        SavedFileError: it is no dataset, it is damaged, or it cannot be written.
    """
    read_dataset(folder)  # Before anything is made in a folder of something else.
    with claimed(folder):
        sources = read_dataset(folder).sources
        gone = [0, 0]
        for number, source in enumerate(sources):
            if source.people is not None:
                sources[number] = _without(folder, sources, number, person, gone)
        known = {each for s in sources if s.people for each in s.people.persons}
        for number, source in enumerate(sources):
            if source.people is not None:
                left = [each for each in source.people.persons if each != person]
                people = source.people.model_copy(update={"persons": left})
                sources[number] = source.model_copy(update={"people": people})
        if person in known:
            write_dataset(folder, DatasetRecord(sources=sources))
    agents = sorted(path for path in (folder / "agents").glob("*") if path.is_dir())
    others = tuple(sorted(known - {person}))
    return TakenOut(gone[0], gone[1], others, person in known, tuple(agents))


def _without(
    folder: Path, sources: list[SourceRecord], number: int, person: str, gone: list[int]
) -> SourceRecord:
    """A source without a person's episodes; adds what has gone."""
    source = sources[number]
    sensors: dict[str, gymnasium.Space[Any]] = {
        key: sensor.space for key, sensor in source.observations.items()
    }
    spaces = gymnasium.spaces.Dict(sensors), source.actions.space
    adding = Adding(folder, source, spaces)
    try:
        adding.join()
    finally:
        adding.close()
    source = adding.record

    def goes(group: h5py.Group) -> bool:
        return files.read_word(group, "person") == person

    left = take_out(folder, source, spaces, goes)
    if left == source:
        return source
    gone[0] += source.episodes - left.episodes
    gone[1] += source.steps - left.steps
    # What stands in `dataset.json` is what is there, also if the next source cannot be written.
    sources[number] = left
    write_dataset(folder, DatasetRecord(sources=sources))
    shutil.rmtree(inside(folder, "cache", source.id.removeprefix("als/")), ignore_errors=True)
    return left
