"""What is kept of each person: a file with how far it has come, its trials and its answers.

The file is replaced whole after every step, so that nothing is lost by a reload, a closed page or
a server that is started again; the tables of results are made of these files.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from als_engine.errors import SavedFileError
from als_engine.evaluation.persons import Pseudonym
from als_engine.limits import MAX_SEED, STEPS
from als_engine.models import Model, Name, read_model
from als_engine.system.files import write_text

__all__ = ["Answer", "Participant", "People", "TrialResult"]

PERSONS: Final = 100_000


class TrialResult(Model):
    """A trial that was played to its end.

    Attributes:
        condition: its name. trial: its number, from 0, as the person met them.
        place: of the condition in the person's order, from 0.
        level: that was laid out.
        steps: how long it took. seconds: by the wall clock, pauses included.
        total: the person's return.
        success: whether the task was solved. terminated: whether the task ended it.
        begun: how often it was begun: more than once where the page, or the server, was gone.
        metrics: the scenario's other metrics at its end.
    """

    condition: Name
    trial: int = Field(ge=0, le=10_000)
    place: int = Field(ge=0, le=100)
    level: int = Field(ge=0, le=MAX_SEED)
    steps: int = Field(ge=0, le=STEPS)
    seconds: float = Field(ge=0.0)
    total: float
    success: bool
    terminated: bool
    begun: int = Field(default=1, ge=1, le=10_000)
    metrics: dict[Name, float | None] = Field(default_factory=dict, max_length=200)


class Answer(Model):
    """An answer. `condition` is empty for a question that was asked at the end."""

    condition: Annotated[str, Field(max_length=100)]
    question: Name
    value: Annotated[str, Field(max_length=400)]


class Participant(Model):
    """Schema of a participant's file.

    Attributes:
        format: the version of this format.
        person: the pseudonym.
        number: by which the order of conditions is chosen.
        step: which of its steps it is at.
        agreed: whether it has agreed to the study's consent; nothing else is kept before.
        begun: how often the trial of this step has been begun.
        trials, answers: so far.
    """

    format: Literal[1] = 1
    person: Pseudonym
    number: int = Field(ge=0, lt=PERSONS)
    step: int = Field(default=0, ge=0, le=10_000)
    agreed: Literal[True] = True
    begun: int = Field(default=0, ge=0, le=10_000)
    trials: list[TrialResult] = Field(default_factory=list, max_length=1_200)
    answers: list[Answer] = Field(default_factory=list, max_length=1_000)

    def with_(self, **changes: Any) -> Participant:
        """The same with other fields."""
        return self.model_copy(update=changes)


class People:
    """The participants of a study."""

    def __init__(self, folder: Path) -> None:
        """Reads them.

        Args:
            folder: of their files; made when it is missing.

        Raises:
            SavedFileError: a file is damaged.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.every: dict[str, Participant] = {}
        for path in sorted(folder.glob("*.json")):
            found = read_model(path, Participant)
            if path.stem != found.person:
                raise SavedFileError(f"{path} is of {found.person}: give it that name")
            self.every[found.person] = found

    def new(self) -> Participant:
        """Somebody who has just agreed, with the next order of conditions."""
        person = secrets.token_hex(4)
        numbers = [each.number for each in self.every.values()]
        return self.keep(Participant(person=person, number=1 + max(numbers, default=-1)))

    def keep(self, participant: Participant) -> Participant:
        """Writes a participant's file, whole or not at all, and returns it."""
        text = participant.model_dump_json(indent=1) + "\n"
        write_text(self._folder / f"{participant.person}.json", text)
        self.every[participant.person] = participant
        return participant
