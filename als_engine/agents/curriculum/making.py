"""Makes the curriculum that the settings of a training ask for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from als_engine.agents.curriculum.base import Curriculum
from als_engine.agents.curriculum.settings import ReplaySettings

if TYPE_CHECKING:
    from als_engine.agents.agent import Learner
    from als_engine.agents.training_folder import Job

__all__ = ["make_curriculum"]


def make_curriculum(job: Job, learner: Learner, checkpoint: Path | None) -> Curriculum | None:
    """The curriculum of a training, as it was at a checkpoint; None where it has none.

    Raises:
        ArgumentError: a stage of its rules is not allowed.
        SavedFileError: the checkpoint has no state of it, or it is damaged.
    """
    if job.curriculum is None:
        return None
    made: Curriculum
    if isinstance(job.curriculum, ReplaySettings):
        from als_engine.agents.curriculum.replay import LevelReplay  # Views take time to import.

        made = LevelReplay(job.curriculum, job, learner)
    else:
        from als_engine.agents.curriculum.widening import Widening

        made = Widening(job.curriculum, job)
    if checkpoint is not None:
        made.load(checkpoint)
    return made
