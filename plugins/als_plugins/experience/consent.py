"""Whether what persons did may be used for something: what they have agreed to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from als_engine.agents.run_folder import claimed
from als_engine.errors import ArgumentError, SavedFileError, unknown
from als_engine.texts import command
from als_plugins.experience.records import (
    USES,
    DatasetRecord,
    PeopleRecord,
    SourceRecord,
    read_dataset,
    write_dataset,
)

__all__ = ["check_consent", "is_of_persons", "record_consent"]

OF_PERSONS = ("person", "praised")
"""Policies of sources that are always of persons, whatever else a dataset says."""


def is_of_persons(source: SourceRecord) -> bool:
    """Whether persons acted in a source, or judged what was done there."""
    return source.people is not None or source.policy in OF_PERSONS


def check_consent(folder: Path | str, sources: Iterable[SourceRecord], use: str) -> None:
    """Refuses to use what persons did for what they have not agreed to.

    Args:
        folder: of the dataset, for messages.
        sources: of it that are to be used.
        use: one of `USES`.

    Raises:
        ArgumentError: some of them are of persons who are not known to have agreed to it.
    """
    assert use in USES
    for source in sources:
        if not is_of_persons(source):
            continue
        if source.people is None:
            record = command("als", "data", "consent", folder, "--purpose", "...", "--use", use)
            raise ArgumentError(
                f"{folder} does not say that the persons in {source.id} have agreed: if they have, "
                f"`{record}` writes it down"
            )
        if use not in source.people.uses:
            raise ArgumentError(
                f"the persons in {folder} agreed to {' and '.join(source.people.uses)} "
                f'("{source.people.purpose}"), not to {use}: ask them, and record anew'
            )


def record_consent(folder: Path, purpose: str, uses: Sequence[str]) -> int:
    """Writes down what the persons of a dataset have agreed to, where it does not say so yet.

    Args:
        folder: of the dataset.
        purpose: what they were told that it is for.
        uses: of `USES`.

    Returns:
        How many sources it was written to.

    Raises:
        ArgumentError: there is no such use, or all sources say what was agreed to: that is theirs
            to widen, by agreeing anew to what is recorded from then on.
        SavedFileError: it is no dataset, or it cannot be written.
    """
    for use in uses:
        if use not in USES:
            raise ArgumentError(unknown("use", use, USES))
    if not 0 < len(purpose) <= 300:
        raise ArgumentError("purpose is a sentence of at most 300 characters")
    read_dataset(folder)  # Before anything is made in a folder of something else.
    with claimed(folder):
        sources = read_dataset(folder).sources
        silent = [number for number, each in enumerate(sources) if each.people is None]
        if not sources:
            raise SavedFileError(f"{folder} has no episodes: `als collect` adds some")
        if not silent:
            raise ArgumentError(
                f"{folder} says already what its persons have agreed to; nobody else can widen it"
            )
        people = PeopleRecord.model_validate({"purpose": purpose, "uses": (*dict.fromkeys(uses),)})
        for number in silent:
            sources[number] = sources[number].model_copy(update={"people": people})
        write_dataset(folder, DatasetRecord(sources=sources))
    return len(silent)
