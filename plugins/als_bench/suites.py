"""Suites before they are run: what they name is looked up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from als_engine.errors import ALSError, ArgumentError
from als_engine.evaluation.suite_files import find_suite, read_suite, read_suites
from als_engine.plugins.specs import SuiteSpec

if TYPE_CHECKING:
    from als_bench.contestants import Contestant

__all__ = ["check_suite", "find_suite", "read_suite", "read_suites"]


def check_suite(suite: SuiteSpec, contestants: Sequence[Contestant] = ()) -> None:
    """Looks up what a suite names and who is to play, before hours of work and not after them.

    Raises:
        ArgumentError: a scenario or one of its arguments is unknown, or somebody cannot play there;
            names the entry.
    """
    from als_engine.agents.saving import make_agent, spaces

    for entry in suite.entries:
        players = [contestant for contestant in contestants if contestant.plays(entry)]
        try:
            spaces(entry.scenario, entry.arguments)
            spaces(entry.scenario, {**entry.arguments, **entry.held_out})
            for player in players:
                make_agent(player.agent, entry.scenario, player.in_evaluation(entry), player.config)
        except ALSError as error:
            raise ArgumentError(f'{suite.id}, entry "{entry.name}": {error}') from None
