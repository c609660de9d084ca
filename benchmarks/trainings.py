"""Keeps interrupted trainings out of what is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from als_engine.agents.training import Trained


def whole(trained: Trained, steps: int) -> Trained:
    """The training, which took all its steps.

    Raises:
        SystemExit: it was interrupted: nothing is measured or written.
    """
    done = trained.progress.steps
    if done < steps:
        raise SystemExit(f"interrupted after {done:,} of {steps:,} steps: nothing is written")
    return trained
