"""A study while it runs: who takes part, what they are asked or play next, and what came of it.

One person takes part at a time; others are asked to wait. Whoever comes back, after a reload or
days, goes on where they were: the page keeps the pseudonym, and the folder everything else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from als_engine.agents.run_folder import claimed
from als_engine.errors import ALSError
from als_engine.system.files import make_folder
from als_engine.texts import one_line
from als_plugins.serve.protocol import BadMessage, GoOn, TakePart, Told
from als_plugins.serve.study.design import Question, Step, Study, World, steps_of
from als_plugins.serve.study.records import Answer, Participant, People, TrialResult
from als_plugins.serve.study.stage import StudyStage, Trial
from als_plugins.serve.study.tables import write_tables

if TYPE_CHECKING:
    from als_plugins.serve.lobby import Lobby

__all__ = ["Plan", "StudySession"]

AVATAR = 0
"""Whom a person drives."""


class Plan(Protocol):
    """What a study lets persons play; see `planning.py`.

    Attributes:
        study: its texts, conditions and questions.
    """

    study: Study

    def first(self) -> Trial:
        """A world to look at before anybody takes part."""

    def trial(self, step: Step, person: int) -> Trial:
        """What the n-th person plays in a step."""

    def keep(self, step: Step, participant: Participant, stage: StudyStage) -> None:
        """Keeps more of a trial that is over than its result."""


class StudySession:
    """Guides a show through a study."""

    key = "study"
    leads = True

    def __init__(self, plan: Plan, folder: Path) -> None:
        """Opens the folder, new or not, and keeps other writers out of it.

        Args:
            plan: what is played.
            folder: of the results.

        Raises:
            SavedFileError: the folder cannot be written, or a file in it is damaged.
            ALSError: a world of the study cannot be made.
        """
        self._plan, self._folder, self._study = plan, folder, plan.study
        with ExitStack() as stack:
            make_folder(folder)
            stack.enter_context(claimed(folder))
            self._people = People(folder / "participants")
            self.stage = StudyStage(plan.first())
            self._stack = stack.pop_all()
        self._client: int | None = None
        self._now: Participant | None = None
        self._steps: Sequence[Step] = [Step("consent")]
        self._plays, self._opens, self._since, self._note = False, False, 0.0, ""
        self.write()

    # -- what clients say ------------------------------------------------------------------------

    @property
    def holds(self) -> bool:
        """Whether the world waits."""
        return not self._plays

    def take(
        self, client: int, message: Told, between_steps: Callable[[Callable[[], Any]], Any]
    ) -> dict[str, Any] | None:
        """Does what a message asks for; returns the answer to it.

        Raises:
            BadMessage: somebody else takes part, or an answer is none.
        """
        if isinstance(message, TakePart):
            return self._take_part(client, message)
        if not isinstance(message, GoOn):
            raise BadMessage("this is a study")
        if client != self._client:
            raise BadMessage("somebody else takes part now: wait a while")
        self._go_on(message, between_steps)
        return {"type": "part", "pseudonym": self._now.person if self._now else None}

    def _take_part(self, client: int, message: TakePart) -> dict[str, Any]:
        if self._client not in (None, client):
            raise BadMessage("somebody else takes part now: this page goes on when they have left")
        self._client = client
        self._now = self._people.every.get(message.pseudonym or "")
        self._plan_steps()
        return {"type": "part", "pseudonym": self._now.person if self._now else None}

    def _plan_steps(self) -> None:
        number = self._now.number if self._now else len(self._people.every)
        self._steps = [*steps_of(self._study, number)]
        self._plays = False

    @property
    def _step(self) -> Step:
        at = self._now.step if self._now else 0
        return self._steps[min(at, len(self._steps) - 1)]

    def _go_on(self, message: GoOn, between_steps: Callable[[Callable[[], Any]], Any]) -> None:
        """Ends a step that is no trial, or begins a trial."""
        step = self._step
        if self._plays or self._opens or step.kind == "thanks":
            raise BadMessage("there is nothing to go on from")
        if step.kind == "consent":
            self._now = self._people.new()
            self._plan_steps()
            self._advance()
        elif step.kind == "questions":
            self._answer(step, message)
            self._advance()
        else:
            assert self._now is not None
            trial = self._plan.trial(step, self._now.number)
            self._now = self._people.keep(self._now.with_(begun=self._now.begun + 1))
            self._opens = True
            between_steps(lambda: self._begin(trial))

    def _begin(self, trial: Trial) -> None:
        """Lays out a trial's world, in the world's thread."""
        try:
            self.stage.use(trial)
        except ALSError as error:
            self._note = f"this trial cannot be made: {one_line(error)[:200]}"
            return
        finally:
            self._opens = False
        self._since, self._plays = time.monotonic(), True

    def _answer(self, step: Step, message: GoOn) -> None:
        assert self._now is not None
        asked = self._asked(step)
        for question in asked:
            if why := question.why_wrong(message.answers.get(question.name)):
                raise BadMessage(f"{question.text[:60]}: {why}")
        names = {question.name for question in asked}
        if odd := sorted(set(message.answers) - names):
            raise BadMessage(f"there is no question {odd[0]}")
        condition = self._study.conditions[step.condition].name if step.condition >= 0 else ""
        found = [
            Answer(condition=condition, question=name, value=str(value))
            for name, value in message.answers.items()
            if value not in (None, "")
        ]
        self._now = self._now.with_(answers=[*self._now.answers, *found])

    def _asked(self, step: Step) -> list[Question]:
        return self._study.asked("condition" if step.condition >= 0 else "end")

    def _advance(self) -> None:
        assert self._now is not None
        self._now = self._people.keep(self._now.with_(step=self._now.step + 1, begun=0))

    def leave(self, client: int) -> None:
        """A client has gone: a trial that it was in stops, and is begun anew when it comes back."""
        if client == self._client:
            self._client, self._now, self._plays = None, None, False

    # -- what the show asks ----------------------------------------------------------------------

    def before_step(self, orders: Any, drivers: Any) -> None:
        """Nothing is to be done."""

    def after_step(self) -> None:
        """Looks whether the trial is over, in the show's task."""
        if not self._plays or not self.stage.over or self._now is None:
            return
        self._plays = False
        step = self._step
        if step.kind == "trial":
            self._now = self._now.with_(trials=[*self._now.trials, self._result(step)])
            self._plan.keep(step, self._now, self.stage)
        self._advance()
        self.write()

    def _result(self, step: Step) -> TrialResult:
        assert self._now is not None
        simulation = self.stage.simulation
        metrics = {
            name: float(values[0])
            for name, values in simulation.metrics().items()
            if values.ndim == 1 and name not in ("success", "level")
        }
        finite = {name: value if abs(value) < 1e300 else None for name, value in metrics.items()}
        before = [each for each in self._steps[: self._now.step] if each.kind == "trial"]
        return TrialResult(
            condition=self._study.conditions[step.condition].name,
            trial=step.trial,
            place=len({each.condition for each in before} - {step.condition}),
            level=int(simulation.state.level[0]),
            steps=int(simulation.state.step[0]),
            seconds=round(time.monotonic() - self._since, 2),
            total=float(simulation.scoring.returns[0, AVATAR]),
            success=bool(simulation.metrics()["success"][0]),
            terminated=bool(simulation.terminated[0]),
            begun=max(self._now.begun, 1),
            metrics=finite,
        )

    def seat(self, lobby: Lobby) -> None:
        """Gives the person its avatar."""
        if self._plays and self._client is not None and lobby.avatar_of(self._client) is None:
            with suppress(BadMessage):
                lobby.join(self._client, AVATAR, "you")

    def values(self) -> dict[str, Any]:
        """What stands on the board under `study`."""
        step, study = self._step, self._study
        phase = "playing" if self._plays else step.kind
        found: dict[str, Any] = {
            "title": study.title, "phase": phase, "client": self._client,
            "at": self._now.step if self._now else 0, "of": len(self._steps) - 1,
            "text": self._note or _paragraphs(self._text(step)), "questions": [],
        }  # fmt: skip
        if step.kind == "questions":
            found["questions"] = [each.model_dump(exclude={"after"}) for each in self._asked(step)]
        return found

    def _text(self, step: Step) -> str:
        study = self._study
        if step.kind == "consent":
            return study.consent
        if step.kind == "thanks":
            return study.thanks
        if step.kind == "tutorial":
            assert study.tutorial is not None
            return study.tutorial.text
        if step.kind == "questions":
            return ""
        trial = step.trial % study.trials + 1
        of = (
            f"Trial {trial} of {study.trials}." if study.trials > 1 else "It begins when you press."
        )
        return f"{study.conditions[step.condition].text}\n\n{of}".strip()

    def write(self) -> None:
        """Writes the tables of results."""
        write_tables(self._folder, self._study, [*self._people.every.values()])

    def close(self) -> None:
        """Writes the tables, and lets others write to the folder."""
        self.write()
        self._stack.close()


def _paragraphs(text: str) -> str:
    """A text whose lines end where the page is full, and not where the file's do."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def world_of(study: Study, step: Step) -> World:
    """The world of a trial, or of the tutorial."""
    if step.kind == "tutorial":
        assert study.tutorial is not None
        return study.tutorial
    return study.conditions[step.condition]
