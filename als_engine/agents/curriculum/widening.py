"""Rules that widen a scenario's arguments as more and more validation episodes succeed.

A training goes through stages. In each the scenario has arguments of its own; after the last come
those of the training. Every so many steps the learner plays validation levels with the arguments of
its stage, and the next stage begins where enough of these episodes succeed. Where the difficulty
follows the learner, a staircase chooses the stage instead, and may go back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from als_engine.agents.agent import Learner
from als_engine.agents.curriculum.base import Curriculum
from als_engine.agents.curriculum.difficulty import stages_of
from als_engine.agents.curriculum.playing import play_once
from als_engine.agents.curriculum.settings import RulesSettings
from als_engine.agents.curriculum.staircase import Staircase, StaircaseState
from als_engine.envs.batch import Arrays
from als_engine.envs.rows import Rows, RowsWrapper
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.limits import STEPS
from als_engine.models import Model, read_model
from als_engine.seeding import Generators, spread
from als_engine.system.files import write_text

if TYPE_CHECKING:
    from als_engine.agents.training_folder import Job

__all__ = ["StagedRows", "Widening"]

STATE: Final = "curriculum.json"

_AT_ONCE: Final = 16
"""Validation episodes that are played at once."""

_VALIDATION: Final = "validation"


class _State(Model):
    """Schema of `curriculum.json`.

    Attributes:
        stage: counted from 0; the last one is the training's own.
        looks: at validation levels, so far.
        staircase: where the difficulty follows the learner.
    """

    stage: int = Field(ge=0, le=50)
    looks: int = Field(ge=0, le=STEPS)
    staircase: StaircaseState | None = None


class Widening(Curriculum):
    """Goes through the stages of some rules.

    Attributes:
        stages: the arguments of each, the last one the training's own.
        stage: which one it is now.
    """

    columns: ClassVar[tuple[str, ...]] = ("stage", "success", "next_stage")

    def __init__(self, settings: RulesSettings, job: Job) -> None:
        """Checks every stage.

        Raises:
            ArgumentError: a stage has an argument that is not allowed, or other observations,
                actions or terms of the reward than the training; names the stage.
        """
        self.every = settings.every
        self._settings, self._job = settings, job
        self.stages = _stages(settings, job)
        self.stage, self._looks = 0, 0
        self._staircase: Staircase | None = None
        if settings.follow:
            easiest = StaircaseState(position=0.0)
            self._staircase = Staircase(len(self.stages), settings.success, easiest)
        self._rows: StagedRows | None = None

    @property
    def arguments(self) -> Mapping[str, Any]:  # type: ignore[override]
        """Those of the stage."""
        return self.stages[self.stage]

    def around(self, rows: Rows) -> Rows:
        """See `Curriculum.around`."""
        self._rows = StagedRows(rows)
        return cast("Rows", self._rows)

    def look(self, learner: Learner, should_stop: Callable[[], bool]) -> list[float] | None:
        """Plays validation levels; see `Curriculum.look`."""
        stage = self.stage
        success = self._success(learner, should_stop)
        if success is None:
            return None
        self._looks += 1
        self.stage = self._next(success)
        if self.stage != stage and self._rows is not None:
            use, seed, count = "stage of a curriculum", self._job.seed, self._job.worlds
            seeds = [spread(use, seed, self._looks, world) for world in range(count)]
            self._rows.widen(self.arguments, seeds)
        return [stage + 1, round(success, 6), self.stage + 1]

    def _next(self, success: float) -> int:
        """The stage that comes after a look."""
        if self._staircase is None:
            enough = success >= self._settings.success
            return min(self.stage + enough, len(self.stages) - 1)
        self._staircase.note(success)
        root = spread("staircase of a curriculum", self._job.seed, self._looks)
        return self._staircase.draw(np.random.default_rng(root))

    def _success(self, learner: Learner, should_stop: Callable[[], bool]) -> float | None:
        """The part of the validation episodes that succeed with the arguments of the stage."""
        job, episodes = self._job, self._settings.episodes
        arguments = {**self.arguments, "split": _VALIDATION}
        seed = spread("validation of a curriculum", job.seed, self._looks)
        rows = Rows(job.scenario, min(episodes, _AT_ONCE), observers=job.observers, **arguments)
        found: list[bool] = []
        try:
            # Whatever acting draws is no part of the training.
            with Generators(seed):
                while len(found) < episodes:
                    use = spread("episodes", seed, len(found))
                    seeds = "validation of a curriculum"
                    if (played := play_once(learner, rows, seeds, use, should_stop)) is None:
                        return None
                    found += played.success.tolist()
        finally:
            rows.close()
        return float(np.mean(found[:episodes]))

    def save(self, checkpoint: Path) -> None:
        """See `Curriculum.save`."""
        staircase = None if self._staircase is None else self._staircase.state
        state = _State(stage=self.stage, looks=self._looks, staircase=staircase)
        write_text(checkpoint / STATE, state.model_dump_json() + "\n")

    def load(self, checkpoint: Path) -> None:
        """See `Curriculum.load`."""
        path = checkpoint / STATE
        state = read_model(path, _State)
        if state.stage >= len(self.stages):
            raise SavedFileError(
                f"{path} does not fit this training: it has {len(self.stages)} stages"
            )
        if (state.staircase is None) != (self._staircase is None):
            raise SavedFileError(f"{path} does not fit this training: one of them has a staircase")
        self.stage, self._looks = state.stage, state.looks
        if self._staircase is not None and state.staircase is not None:
            self._staircase.state = state.staircase


def _stages(settings: RulesSettings, job: Job) -> list[dict[str, Any]]:
    final: dict[str, Any] = dict(job.arguments)
    try:
        return [*stages_of(settings.stages, job.scenario, job.observers, final), final]
    except ArgumentError as error:
        raise ArgumentError(f"curriculum, {error}") from None


class StagedRows(RowsWrapper):
    """Rows that go on with other arguments of the scenario when they are told to."""

    inner: Rows

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        self._next: tuple[Mapping[str, Any], Sequence[int]] | None = None

    def widen(self, arguments: Mapping[str, Any], seeds: Sequence[int]) -> None:
        """Lets the next step be the last one of these worlds, and the first of other ones.

        For the learner that step ends all episodes, as if their time were up.
        """
        self._next = arguments, seeds

    def step(self, actions: ArrayLike) -> Arrays:
        """Steps the worlds, and makes them anew where that is due."""
        found = self.inner.step(actions)
        if self._next is not None:
            (arguments, seeds), self._next = self._next, None
            found = self.inner.remake(arguments, seeds)
        return found

    def reset(self, levels: Sequence[int | None] | None = None) -> Arrays:
        """Starts an episode in every world, made anew where that is due."""
        if self._next is not None:
            (arguments, seeds), self._next = self._next, None
            self.inner.remake(arguments, seeds)
        return self.inner.reset(levels)
