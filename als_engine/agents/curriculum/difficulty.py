"""Difficulty that follows the player: which stage of a scenario the next episode is played in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from als_engine.agents.curriculum.settings import RulesSettings, parse
from als_engine.agents.curriculum.staircase import Staircase, check_target
from als_engine.checks import check_undecided
from als_engine.envs.batch import check_alike
from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry
from als_engine.seeding import spread
from als_engine.simulation import ARGUMENTS, simulate

__all__ = ["MAY_CHANGE", "Difficulty", "difficulty_of", "stages_of"]

MAY_CHANGE: Final = frozenset(("num_avatars", "background", "max_episode_steps"))
"""Arguments that every scenario takes and that a stage may have, beside the task's own."""


class Difficulty:
    """Chooses the stage of each episode so that its player succeeds at a target rate.

    Each player has a staircase of its own: an agent's episodes say nothing of a person.

    Attributes:
        stages: the arguments of the scenario, from the easiest to the hardest.
        target: the part of a player's episodes that is to succeed.
        stage: of the episode that was chosen last, from 0.
        successes: player to what has come of each of its episodes, the first one first.
    """

    def __init__(self, stages: Sequence[Mapping[str, Any]], target: float, seed: int) -> None:
        """Knows no player yet.

        Args:
            stages: at least one.
            target: above 0 and below 1.
            seed: of the draws between two neighbouring stages.

        Raises:
            ArgumentError: there is no stage, or no such target.
        """
        self.stages, self.target = list(stages), check_target(target)
        self.stage = 0
        self.successes: dict[str, list[bool]] = {}
        self._staircases: dict[str, Staircase] = {}
        self._root, self._draws = spread("difficulty", seed), 0

    def choose(self, player: str) -> Mapping[str, Any]:
        """The arguments of a player's next episode."""
        rng = np.random.default_rng([self._root, self._draws])
        self._draws += 1
        self.stage = self._staircase(player).draw(rng)
        return self.stages[self.stage]

    def note(self, player: str, success: bool) -> None:
        """Called when an episode of a player has ended."""
        self._staircase(player).note(success)
        self.successes.setdefault(player, []).append(bool(success))

    def _staircase(self, player: str) -> Staircase:
        if player not in self._staircases:
            self._staircases[player] = Staircase(len(self.stages), self.target)
        return self._staircases[player]

    def says(self, player: str) -> str:
        """The stage, and how a player has done so far, in one line."""
        found = f"difficulty {self.stage + 1} of {len(self.stages)}"
        done = self.successes.get(player, [])
        return f"{found}; {player}: {sum(done)} of {len(done)} succeeded" if done else found


def difficulty_of(
    given: str, scenario: str, observers: int | None, arguments: Mapping[str, Any], seed: int = 0
) -> Difficulty:
    """Makes what `--difficulty` names.

    Args:
        given: a success rate such as "0.6", for the stages that the scenario itself has, or a TOML
            file with stages and a success rate, as `als train --curriculum` takes it.
        scenario: its id.
        observers: how many avatars the player drives; None for all.
        arguments: of the scenario.
        seed: of the draws.

    Raises:
        ArgumentError: it is neither, the scenario has no stages of its own, or a stage is not
            allowed.
        SavedFileError: the file cannot be read.
    """
    try:
        target = float(given)
    except ValueError:
        return _from_file(given, scenario, observers, arguments, seed)
    check_target(target)
    own = registry.load(registry.scenario(scenario)).stages
    if not own:
        raise ArgumentError(
            f"{scenario} has no stages of its own: --difficulty takes a TOML file with [[stages]], "
            "as --curriculum does"
        )
    return Difficulty(stages_of(own, scenario, observers, arguments), target, seed)


def _from_file(
    given: str, scenario: str, observers: int | None, arguments: Mapping[str, Any], seed: int
) -> Difficulty:
    settings = parse(given)
    if not isinstance(settings, RulesSettings):
        raise ArgumentError("--difficulty takes a rate such as 0.6, or a TOML file with [[stages]]")
    stages = stages_of(settings.stages, scenario, observers, arguments)
    return Difficulty([*stages, dict(arguments)], settings.success, seed)


def stages_of(
    stages: Sequence[Mapping[str, Any]],
    scenario: str,
    observers: int | None,
    arguments: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """All arguments of each stage, which keeps what it does not name of the one before.

    Raises:
        ArgumentError: a stage has an argument that is not allowed, or other observations, actions
            or terms of the reward than the scenario with these arguments; names the stage.
    """
    goal = simulate(scenario, 1, observers, **arguments)
    found, now = [], dict(arguments)
    for number, stage in enumerate(stages, 1):
        now = {**now, **stage}
        try:
            check_undecided("the stages", stage)
            for name in stage:
                if name in ARGUMENTS and name not in MAY_CHANGE:
                    raise ArgumentError(f'"{name}" has to stay what it is')
            made = simulate(scenario, 1, observers, **now)
            made.close()
            check_alike(goal, made)
        except ArgumentError as error:
            raise ArgumentError(f"stage {number}: {error}") from None
        found.append(now)
    goal.close()
    return found
