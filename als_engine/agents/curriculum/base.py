"""What every curriculum does: it stands around the worlds, looks now and then, and is resumed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from als_engine.agents.agent import Learner
from als_engine.agents.run_logs import Curve

if TYPE_CHECKING:
    from als_engine.envs.rows import Rows

__all__ = ["LEVELS_FILE", "LOG", "Curriculum"]

LOG: Final = "curriculum.csv"
"""What came of each look; the first column counts steps."""

LEVELS_FILE: Final = "levels.csv"
"""The levels that were drawn, with their scores."""


class Curriculum(ABC):
    """Decides which levels or which arguments of the scenario a training meets.

    Learners do not know of it: it wraps their rows. It draws from the train split alone.

    Attributes:
        columns: of its log, beside the steps.
        every: environment steps between two looks.
        arguments: of the scenario, as it is met now.
    """

    columns: ClassVar[tuple[str, ...]]
    every: int
    arguments: Mapping[str, Any]

    @abstractmethod
    def around(self, rows: Rows) -> Rows:
        """The worlds as the learner is to see them; they belong to the curriculum from now on."""

    @abstractmethod
    def look(self, learner: Learner, should_stop: Callable[[], bool]) -> list[float] | None:
        """Called between updates of the learner.

        Args:
            learner: as far as it has come.
            should_stop: asked while it lasts.

        Returns:
            A line of the log, without the steps; None where it was told to stop, and has decided
            nothing.
        """

    @abstractmethod
    def save(self, checkpoint: Path) -> None:
        """Writes its state into the folder of a checkpoint."""

    @abstractmethod
    def load(self, checkpoint: Path) -> None:
        """Goes on from there.

        Raises:
            SavedFileError: there is no state of such a curriculum, or it is damaged.
        """

    def log(self, folder: Path, steps: int, line: list[float]) -> None:
        """Writes down in the run's folder what came of a look."""
        Curve(folder / LOG, ("steps", *self.columns)).add([steps, *line])
