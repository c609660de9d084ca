"""What persons play: the trials of a study's file, or the episodes of a benchmark's suite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from als_engine.checks import at_least_one
from als_engine.errors import ArgumentError, unknown
from als_engine.evaluation.persons import PersonEpisode, episode_seed, write_episode
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteEntry, SuiteSpec
from als_engine.seeding import spread
from als_plugins.serve.study.design import Condition, Step, Study, Tutorial
from als_plugins.serve.study.records import Participant
from als_plugins.serve.study.session import world_of
from als_plugins.serve.study.stage import StudyStage, Trial

if TYPE_CHECKING:
    from als_engine.task import Split

__all__ = ["FilePlan", "SuitePlan"]

ACTS: Final = "continuous"
"""How persons act where an entry does not say how agents do."""
EVALUATION_SEED: Final = 0
"""Of a suite's episodes, as agents play them."""


class FilePlan:
    """The trials of a study's file."""

    def __init__(self, study: Study) -> None:
        """Takes the study."""
        self.study = study

    def first(self) -> Trial:
        """The world of the tutorial, or of the first condition."""
        if self.study.tutorial is not None:
            return self.trial(Step("tutorial"), 0)
        return self.trial(Step("trial", 0, 0), 0)

    def trial(self, step: Step, person: int) -> Trial:
        """The same levels for everybody, in the same order, whatever the conditions' order is."""
        study = self.study
        level = study.level(step.trial)
        if step.kind == "tutorial":
            assert study.tutorial is not None
            level = study.tutorial.level
        world = world_of(study, step)
        return Trial(world, {"level": level}, spread("study", study.seed, max(step.trial, 0)))

    def keep(self, step: Step, participant: Participant, stage: StudyStage) -> None:
        """Nothing beside the result."""


class SuitePlan:
    """Episodes of a suite's entries, on the levels and seeds that agents meet."""

    def __init__(self, suite: SuiteSpec, only: list[str], episodes: int, folder: Path) -> None:
        """Chooses.

        Args:
            suite: whose entries are played.
            only: names of entries; empty for all.
            episodes: that one person plays in each.
            folder: for what was done.

        Raises:
            ArgumentError: there is no such entry, or it is for several avatars.
        """
        names = [entry.name for entry in suite.entries]
        for name in only:
            if name not in names:
                raise ArgumentError(f"{suite.id}: {unknown('entry', name, names)}")
        self._suite, self._folder = suite, folder
        self._entries = [each for each in suite.entries if not only or each.name in only]
        for entry in self._entries:
            if entry.observers != 1:
                raise ArgumentError(
                    f"{entry.name} is for {entry.observers} avatars, not one person"
                )
        self._episodes = min(at_least_one("episodes", episodes), suite.episodes)
        self.study = Study(
            title=f"Playing {suite.id}",
            consent=_CONSENT,
            conditions=[_condition(i, entry) for i, entry in enumerate(self._entries)],
            trials=self._episodes,
            tutorial=_tutorial(self._entries[0]),
            thanks=_THANKS,
        )

    def first(self) -> Trial:
        """The world of the tutorial."""
        return self.trial(Step("tutorial"), 0)

    def trial(self, step: Step, person: int) -> Trial:
        """Each person meets other episodes of the suite, as long as there are others."""
        world = world_of(self.study, step)
        if step.kind == "tutorial":
            return Trial(world, {}, spread("study of a suite", person))
        return Trial(world, {}, episode_seed(EVALUATION_SEED, self._episode(step, person)))

    def _episode(self, step: Step, person: int) -> int:
        of_condition = step.trial % self._episodes
        return (person * self._episodes + of_condition) % self._suite.episodes

    def keep(self, step: Step, participant: Participant, stage: StudyStage) -> None:
        """Keeps what was done, for `als bench people`."""
        arguments: dict[str, Any] = {
            name: value for name, value in stage.arguments.items() if name != "split"
        }
        write_episode(
            self._folder / "episodes",
            PersonEpisode(
                suite=self._suite.id,
                entry=self._entries[step.condition].name,
                episode=self._episode(step, participant.number),
                person=participant.person,
                arguments=arguments,
                actions=stage.log.actions,
                digest=stage.simulation.state.digest(0).hex(),
            ),
        )


_CONSENT: Final = (
    "You will play some episodes of tasks that agents are tested on. What you do is kept, with how "
    "well it went, under a random name: a benchmark shows it beside the agents' results. Nothing "
    "else about you is asked or kept, and you may stop at any time by closing the page."
)
_THANKS: Final = "Thank you. What you did is kept; you may close this page."


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as a file would have them."""
    found: dict[str, Any] = json.loads(json.dumps(arguments))
    return found


def _condition(number: int, entry: SuiteEntry) -> Condition:
    spec = registry.scenario(entry.scenario)
    return Condition(
        name=f"entry_{number}",
        scenario=entry.scenario,
        arguments=_plain({"action_mode": ACTS, **entry.arguments, **entry.held_out}),
        split=cast("Split", entry.split),
        agent="random",
        text=f"{entry.name}\n\n{spec.summary}",
    )


def _tutorial(entry: SuiteEntry) -> Tutorial:
    return Tutorial(
        scenario=entry.scenario,
        arguments=_plain({"action_mode": ACTS, **entry.arguments}),
        agent="random",
        text="First an episode to get used to the keys. Nothing of it is kept.",
    )
