"""The stages of an experiment, each in a folder that is named by everything it depends on.

The folder of a stage carries a digest of the stage's own settings and of those of all stages before
it. A changed setting therefore leads to a new folder, the old results stay, and what has not
changed is not done again. A stage is done when its folder holds `done.json`, which is written last;
one that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from als_engine.agents.run_folder import tidy
from als_engine.errors import ALSError
from als_engine.models import Model, read_model
from als_engine.system.files import write_text
from als_engine.system.leftovers import unfinished
from als_engine.system.safe_files import inside, is_file
from als_plugins.experiment.config import Experiment, Table

__all__ = ["DONE", "Done", "Reporter", "Stage", "plan"]

DONE: Final = "done.json"

Reporter = Callable[[int, int], None]
"""Hears how much of a stage is done, and of how much."""

Summary = dict[str, JsonValue]


class Done(Model):
    """Schema of `done.json`.

    Attributes:
        stage: which one it was.
        settings: everything that it depended on.
        summary: what came of it, for people to read.
    """

    stage: str
    settings: dict[str, JsonValue]
    summary: dict[str, JsonValue]


@dataclass(frozen=True)
class Stage:
    """One stage, ready to be run.

    Attributes:
        name: "collect", "pretrain", "train", "adapt", "evaluate", or that of a further one.
        folder: where its output goes.
        settings: everything that it depends on.
        act: does it, or goes on with it, and returns a summary.
        valid: whether the output of a finished stage can still be read.
        shows: whether it shows its progress itself.
    """

    name: str
    folder: Path
    settings: Summary
    act: Callable[[Reporter], Summary]
    valid: Callable[[], bool]
    shows: bool = False

    def done(self) -> Done | None:
        """The result, if the stage has been finished and its output is still there."""
        if not is_file(self.folder / DONE):
            return None
        try:
            return read_model(self.folder / DONE, Done) if self.valid() else None
        except ALSError:
            return None

    def run(self, reporter: Reporter) -> Done:
        """Does what is left to do; what was finished and cannot be read any more is done anew.

        Raises:
            SavedFileError: there are links in what is gone on with, or it cannot be written.
        """
        if is_file(self.folder / DONE):
            # In one go: a half of it without `done.json` would look like something to go on with.
            damaged = unfinished(self.folder)
            self.folder.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
        elif os.path.lexists(self.folder):
            tidy(inside(self.folder.parent, self.folder.name))
        done = Done(stage=self.name, settings=self.settings, summary=self.act(reporter))
        write_text(self.folder / DONE, done.model_dump_json(indent=2) + "\n")
        return done


def plan(experiment: Experiment, folder: Path) -> Iterator[Stage]:
    """The stages of an experiment, in order."""
    from als_plugins.experiment import actions, further

    settings: Summary = {
        "scenario": experiment.scenario,
        "arguments": experiment.scenario_arguments,
        "seed": experiment.seed,
    }
    before: dict[str, Path] = {}

    def next_stage(name: str, table: Table) -> actions.Context:
        settings[name] = table.model_dump()
        text = json.dumps(settings, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        before[name] = folder / f"{name}-{digest}"
        return actions.Context(experiment, dict(before), before[name])

    for name, (act, valid) in actions.ACTIONS.items():
        table = getattr(experiment, name)
        if table is not None:
            here = next_stage(name, table)
            yield Stage(name, here.folder, dict(settings), _bound(act, here), _bound(valid, here))
    for stage in experiment.then:
        here = next_stage(stage.label, stage)
        yield Stage(
            stage.label,
            here.folder,
            dict(settings),
            _bound(further.act, here, stage),
            _bound(further.is_there, here, stage),
            shows=True,
        )


def _bound(function: Callable[..., Any], *first: Any) -> Callable[..., Any]:
    return lambda *arguments: function(*first, *arguments)
