"""Prioritised level replay around a learner's worlds (Jiang et al. 2021).

The score of an episode is the mean magnitude of its advantages, as the learner's generalised
advantage estimation has them ("L1 value loss"). A learner that tells none is judged by how far the
episode's return lies from the level's mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from als_engine.agents.agent import Learner
from als_engine.agents.curriculum.base import LEVELS_FILE, Curriculum
from als_engine.agents.curriculum.level_scores import LevelScores
from als_engine.agents.curriculum.settings import ReplaySettings
from als_engine.envs.batch import Arrays
from als_engine.envs.rows import Rows, RowsWrapper
from als_engine.errors import SavedFileError
from als_engine.limits import STEPS
from als_engine.system.files import write_text
from als_engine.system.safe_files import read_tensors, write_tensors

if TYPE_CHECKING:
    from als_engine.agents.training_folder import Job

__all__ = ["LevelReplay", "ReplayRows"]

STATE: Final = "curriculum.safetensors"


class LevelReplay(Curriculum):
    """Draws the levels that still teach more often than the others.

    Attributes:
        levels: what is known of them.
    """

    columns: ClassVar[tuple[str, ...]] = ("drawn", "replayed", "seen", "mean_score")

    def __init__(self, settings: ReplaySettings, job: Job, learner: Learner) -> None:
        """Knows nothing of any level yet."""
        self.every = settings.every
        self.arguments: Mapping[str, Any] = job.arguments
        self.levels = LevelScores(settings, job.seed)
        self._told = learner.tells_advantages

    def around(self, rows: Rows) -> Rows:
        """See `Curriculum.around`."""
        return cast("Rows", ReplayRows(rows, self.levels, told=self._told))

    def look(self, learner: Learner, should_stop: Callable[[], bool]) -> list[float]:
        """See `Curriculum.look`; it has nothing to decide."""
        levels = self.levels
        mean = float(levels.score[levels.scored].mean()) if levels.seen else 0.0
        return [levels.draws, levels.replays, levels.seen, round(mean, 6)]

    def log(self, folder: Path, steps: int, line: list[float]) -> None:
        """Also writes which levels were drawn."""
        super().log(folder, steps, line)
        levels = self.levels
        lines = ["level,drawn,last_draw,score"]
        for at in np.flatnonzero(levels.drawn).tolist():
            score = f"{levels.score[at]:.6g}" if levels.scored[at] else ""
            lines.append(f"{levels.numbers[at]},{levels.drawn[at]},{levels.last[at]},{score}")
        write_text(folder / LEVELS_FILE, "".join(f"{each}\r\n" for each in lines))

    def save(self, checkpoint: Path) -> None:
        """See `Curriculum.save`."""
        write_tensors(checkpoint / STATE, self._state())

    def _state(self) -> dict[str, NDArray[Any]]:
        levels = self.levels
        counts = np.array([levels.draws, levels.replays], np.int64)
        return {**{name: getattr(levels, name) for name in levels.ARRAYS}, "counts": counts}

    def load(self, checkpoint: Path) -> None:
        """See `Curriculum.load`."""
        levels, path = self.levels, checkpoint / STATE
        found = read_tensors(path, self._state())
        counts = found.pop("counts")
        known = [found[name] for name in ("drawn", "last", "played")]
        draws, replays = counts.tolist()
        if not 0 <= replays <= draws <= STEPS or any(
            array.min() < 0 or array.max() > draws for array in known
        ):
            raise SavedFileError(f"{path} does not fit this training: its counts are out of range")
        for name, array in found.items():
            getattr(levels, name)[:] = array
        levels.draws, levels.replays = draws, replays
        levels.forget_ranks()


class ReplayRows(RowsWrapper):
    """Rows whose levels are drawn by their scores.

    A world begins its next episode within the step that ends the last one, so that its level is
    drawn an episode ahead.
    """

    inner: Rows

    def __init__(self, rows: Rows, levels: LevelScores, *, told: bool) -> None:
        """Wraps rows.

        Args:
            rows: of the train split.
            levels: what is known of them.
            told: whether the learner tells its advantages.
        """
        super().__init__(rows)
        self._levels, self._told = levels, told
        worlds = rows.num_worlds
        self._playing: NDArray[np.int64] = np.full(worlds, levels.numbers[0])
        self._coming: NDArray[np.int64] = self._playing.copy()
        # Steps so far; ends of episodes since the learner last told its advantages: at which step,
        # in which worlds, on which levels; and the advantages of the episodes that run.
        self._clock, self._heard = 0, 0
        self._ends: list[tuple[int, NDArray[np.bool_], NDArray[np.int64]]] = []
        self._sums, self._counts = np.zeros(worlds), np.zeros(worlds, np.int64)

    def reset(self, levels: Sequence[int | None] | None = None) -> Arrays:
        """Starts an episode in every world, on levels that are drawn now."""
        drawing = self._levels
        self._playing[:] = self._coming[:] = drawing.numbers[0]
        for world in range(len(self._playing)):
            self._playing[world] = drawing.draw(self._playing[:world])
        self.inner.worlds.coming_levels[:] = self._playing
        found = self.inner.reset(levels)
        for world in range(len(self._coming)):
            busy = np.concatenate([self._playing, self._coming[:world]])
            self._coming[world] = drawing.draw(busy)
        self.inner.worlds.coming_levels[:] = self._coming
        self._ends.clear()
        self._sums[:] = self._counts[:] = 0
        return found

    def step(self, actions: ArrayLike) -> Arrays:
        """Steps the worlds; draws what comes after the episodes that begin."""
        found = self.inner.step(actions)
        self._clock += 1
        if (ended := self.inner.ended_worlds).any():
            self._end(ended.copy())
        return found

    def _end(self, ended: NDArray[np.bool_]) -> None:
        rows, levels = self.inner, self._levels
        played = rows.worlds.final_metrics["level"].astype(np.int64)
        if self._told:
            self._ends.append((self._clock, ended, played))
        for world in np.flatnonzero(ended).tolist():
            level, total = int(played[world]), float(rows.final_returns[world].mean())
            if not self._told:
                levels.judge(level, levels.surprise(level, total))
            levels.note_return(level, total)
        self._playing[ended] = self._coming[ended]
        for world in np.flatnonzero(ended).tolist():
            busy = np.concatenate([self._playing, self._coming])
            self._coming[world] = levels.draw(busy)
        rows.worlds.coming_levels[:] = self._coming

    def note_advantages(self, advantages: ArrayLike) -> None:
        """Judges the episodes that have ended in the steps that a learner tells of."""
        told = np.abs(np.asarray(advantages, np.float64))
        steps, worlds = len(told), len(self._sums)
        magnitude = told.reshape(steps, worlds, -1).mean(axis=2)
        first, done = self._clock - steps, 0
        if self._heard != first:  # Steps of which nobody has told anything came in between.
            self._sums[:] = self._counts[:] = 0
        for clock, ended, played in self._ends:
            if (upto := clock - first) < 1:
                continue
            self._add(magnitude[done:upto])
            done = upto
            for world in np.flatnonzero(ended).tolist():
                mean = float(self._sums[world] / self._counts[world])
                self._levels.judge(int(played[world]), mean)
            self._sums[ended] = self._counts[ended] = 0
        self._add(magnitude[done:])
        self._heard = self._clock
        self._ends.clear()

    def _add(self, magnitude: NDArray[np.float64]) -> None:
        self._sums += magnitude.sum(axis=0)
        self._counts += len(magnitude)
