"""The design of a study, as a TOML file says it, and in which order a person meets what it has.

Every field is checked where the file is read. A file names registered scenarios and saved agents,
and holds texts, which are shown as texts; nothing in it is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, JsonValue, ValidationError, model_validator

from als_engine.agents.saving import NOT_SAVED
from als_engine.cli.shared import MAX_LEVEL
from als_engine.errors import ArgumentError
from als_engine.limits import MAX_SEED
from als_engine.models import Model, Name
from als_engine.system.toml_files import read_toml
from als_engine.task import Split

__all__ = ["Condition", "Question", "Step", "Study", "Tutorial", "orders", "read_study", "steps_of"]

Text = Annotated[str, Field(min_length=1, max_length=4_000)]
Short = Annotated[str, Field(min_length=1, max_length=100)]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Level = Annotated[int, Field(ge=0, le=MAX_LEVEL)]


class World(Model):
    """Where a person plays: avatar 0 of a scenario.

    Attributes:
        scenario: registered id. arguments: of it.
        split: where its levels come from.
        agent: who drives the other avatars of `drive`: an id, or a saved agent's folder; by default
            the scenario's expert, or random actions.
        drive: how many avatars the person and the agent drive together.
    """

    scenario: Name
    arguments: dict[Name, JsonValue] = Field(default_factory=dict, max_length=50)
    split: Split = "train"
    agent: Annotated[str, Field(min_length=1, max_length=1_000)] | None = None
    drive: int = Field(default=1, ge=1, le=64)

    @model_validator(mode="after")
    def _decided_elsewhere(self) -> World:
        if odd := sorted(NOT_SAVED & set(self.arguments)):
            raise ValueError(f'arguments: "{odd[0]}" is not to be given there')
        return self


class Condition(World):
    """What is compared: one world, or the same one with other arguments or another agent.

    Attributes:
        name: in the results, such as "with_help".
        text: what a person is told before its trials.
    """

    name: Word
    text: Annotated[str, Field(max_length=4_000)] = ""


class Tutorial(World):
    """A world to get used to the keys in; nothing of it is kept but that it was done.

    Attributes:
        text: what a person is told before.
        level: that is laid out.
    """

    text: Text
    level: Level = 0


class Question(Model):
    """A question, asked after each condition or at the end.

    Attributes:
        name: in the results.
        text: the question.
        kind: a scale of numbers from 1, one of some choices, or a text of at most 400 characters.
        points: of a scale. low, high: what its ends mean.
        choices: of a choice.
        after: when it is asked.
        optional: whether it may be left out.
    """

    name: Word
    text: Text
    kind: Literal["scale", "choice", "text"] = "scale"
    points: int = Field(default=7, ge=2, le=11)
    low: Annotated[str, Field(max_length=100)] = ""
    high: Annotated[str, Field(max_length=100)] = ""
    choices: Annotated[list[Short], Field(max_length=20)] = Field(default_factory=list)
    after: Literal["condition", "end"] = "condition"
    optional: bool = False

    @model_validator(mode="after")
    def _has_choices(self) -> Question:
        if (self.kind == "choice") != (len(self.choices) >= 2):
            raise ValueError('choices: two or more go with kind = "choice", and none with others')
        return self

    def why_wrong(self, value: int | str | None) -> str:
        """Why an answer is none; empty where it is one."""
        if value is None or value == "":
            return "" if self.optional else "please answer every question"
        if self.kind == "scale":
            fits = isinstance(value, int) and 1 <= value <= self.points
            return "" if fits else f"a number from 1 to {self.points}"
        if self.kind == "choice":
            return "" if value in self.choices else "one of the choices"
        return "" if isinstance(value, str) and len(value) <= 400 else "400 characters at most"


class Study(Model):
    """Schema of a study's file.

    Attributes:
        title: on its pages. consent: what a person agrees to. thanks: what is said at the end.
        conditions: what is compared; each person meets all of them, in an order of its own.
        trials: episodes in each condition.
        levels: that are met, one after the other, whatever the condition; by default the next ones
            from 0.
        tutorial: before all trials; None for none.
        questions: see `Question`.
        seed: of the episodes.
    """

    title: Short
    consent: Text
    thanks: Text = "Thank you. You may close this page."
    conditions: Annotated[list[Condition], Field(min_length=1, max_length=12)]
    trials: int = Field(default=1, ge=1, le=100)
    levels: Annotated[list[Level], Field(min_length=1, max_length=1_000)] | None = None
    tutorial: Tutorial | None = None
    questions: Annotated[list[Question], Field(max_length=60)] = Field(default_factory=list)
    seed: int = Field(default=0, ge=0, le=MAX_SEED)

    @model_validator(mode="after")
    def _names_differ(self) -> Study:
        for what in ("conditions", "questions"):
            names = [each.name for each in getattr(self, what)]
            if len(set(names)) < len(names):
                raise ValueError(f"{what}: two have the same name")
        for after in ("condition", "end"):
            if sum(question.kind == "text" for question in self.asked(after)) > 2:
                raise ValueError(f'questions: more than two texts after = "{after}"')
        return self

    def asked(self, after: str) -> list[Question]:
        """The questions of a moment."""
        return [question for question in self.questions if question.after == after]

    def level(self, trial: int) -> int:
        """The level of a trial, counted over all conditions as a person meets them."""
        return trial if self.levels is None else self.levels[trial % len(self.levels)]


def read_study(path: Path) -> Study:
    """Reads and checks a file.

    Raises:
        SavedFileError: it cannot be read.
        ArgumentError: it is no study; one line that names the field.
    """
    fields, _ = read_toml(path)
    try:
        return Study.model_validate(fields)
    except ValidationError as error:
        every: list[Any] = error.errors(include_url=False, include_input=False)
        # A name that is misspelt says more than the one that is then missing.
        first = next((each for each in every if each["type"] == "extra_forbidden"), every[0])
        where = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise ArgumentError(f"{path}: {where + ': ' if where else ''}{said}") from None


def orders(conditions: int) -> list[list[int]]:
    """Orders in which every condition comes at every place, and after every other, equally often.

    A balanced Latin square (Williams 1949): as many orders as conditions, or twice as many where
    their number is odd.
    """
    zigzag = [0]
    for step in range(1, conditions):
        zigzag.append((zigzag[-1] + (step if step % 2 else -step)) % conditions)
    rows = [[(each + shift) % conditions for each in zigzag] for shift in range(conditions)]
    return rows if conditions % 2 == 0 else [*rows, *(row[::-1] for row in rows)]


class Step(NamedTuple):
    """What a person meets: `kind` is consent, tutorial, trial, questions or thanks.

    Attributes:
        condition: its number; -1 where it belongs to none.
        trial: its number over all conditions; -1 for none.
    """

    kind: str
    condition: int = -1
    trial: int = -1


def steps_of(study: Study, person: int) -> Iterator[Step]:
    """Everything that the n-th person meets, in order."""
    yield Step("consent")
    if study.tutorial is not None:
        yield Step("tutorial")
    every = orders(len(study.conditions))
    trial = 0
    for condition in every[person % len(every)]:
        for _ in range(study.trials):
            yield Step("trial", condition, trial)
            trial += 1
        if study.asked("condition"):
            yield Step("questions", condition)
    if study.asked("end"):
        yield Step("questions")
    yield Step("thanks")
