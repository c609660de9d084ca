"""Makes the trainings that are missing, and keeps interrupted ones out of what is measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def make_missing(path: Path, says: str, train: Callable[[Any], dict[str, Any]]) -> None:
    """Writes the result of one training, with a bar, unless it is there."""
    from als_engine.cli.bars import training_bar
    from als_engine.system.files import write_text

    if path.exists():
        return
    print(says, file=sys.stderr)
    with training_bar() as show:
        result = train(show)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(result, indent=2) + "\n")
