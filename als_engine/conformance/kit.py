"""The checks of a scenario, and how they are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from als_engine.conformance import (
    answers,
    content,
    memory,
    moments,
    observing,
    play,
    replay,
    splits,
    views,
)  # fmt: skip
from als_engine.conformance.case import Case, Options
from als_engine.conformance.report import ConformanceError, Report, Result
from als_engine.conformance.running import Check, check_names, run_all
from als_engine.plugins.registry import registry

__all__ = ["CHECKS", "check_scenario", "examine"]

CHECKS: Final[Mapping[str, Check[Case]]] = {
    "docstring": content.docstring,
    "spec": content.spec,
    "layout-time": content.layout_time,
    "levels": content.levels,
    "splits": splits.splits,
    "company": splits.company,
    "answers": answers.answers,
    "pure": answers.pure,
    "terms": answers.terms,
    "expert": play.expert,
    "random": play.random,
    "heuristics": play.heuristics,
    "memory": memory.memory,
    "sensors": observing.sensors,
    "buffers": observing.buffers,
    "instructions": content.instructions,
    "secrecy": observing.secrecy,
    "replay": replay.replay,
    "autoreset": replay.autoreset,
    "workers": replay.workers,
    "snapshot": moments.snapshot,
    "time-limit": replay.time_limit,
    "gymnasium": views.gymnasium_api,
    "pettingzoo": views.pettingzoo_api,
    "sb3": views.sb3_api,
    "throughput": play.throughput,
}
"""Name to check, in the order in which they run; the first line of each is its promise."""


def check_scenario(
    id: str,
    *,
    levels: int = 16,
    episodes: int = 8,
    steps: int = 40,
    workers: int = 1,
    expert_at_least: float = 0.8,
    random_at_most: float = 0.5,
    only: Sequence[str] | None = None,
    skip: Sequence[str] = (),
    **arguments: Any,
) -> Report:
    """Checks that a scenario keeps every promise, in well under a minute.

    Args:
        id: the scenario's id.
        levels: how many levels of each split are laid out and compared.
        episodes: how many episodes of each split the expert and the random policy play.
        steps: for how many steps two runs are compared.
        workers: with 2 or more, that many processes must equal one; 1 leaves that out.
        expert_at_least: the expert's success rate.
        random_at_most: the success rate of random actions.
        only: names from `CHECKS`; None for all.
        skip: names from `CHECKS`.
        **arguments: of the scenario, as for `gymnasium.make`.

    Returns:
        What was checked and measured.

    Raises:
        ConformanceError: a promise is broken; an `AssertionError` with one line per failure.
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed.
    """
    options = Options(levels, episodes, steps, workers, expert_at_least, random_at_most, only, skip)
    report = examine(id, options, arguments)
    if not report.ok:
        raise ConformanceError(report)
    return report


def examine(
    id: str,
    options: Options,
    arguments: Mapping[str, Any],
    on_result: Callable[[Result], None] = lambda result: None,
) -> Report:
    """`check_scenario` that returns its report also when a promise is broken.

    Args:
        id: the scenario's id.
        options: how hard to look.
        arguments: of the scenario, as for `gymnasium.make`.
        on_result: called after each check.

    Raises:
        UnknownIdError: there is no such scenario.
        ArgumentError: an argument is unknown or its value is not allowed.
    """
    names = check_names(CHECKS, options.only, options.skip)
    case = Case.of(registry.scenario(id), options, dict(arguments))
    case.simulate().close()  # A wrong argument is the caller's mistake, not the scenario's.
    return run_all("scenario", case, CHECKS, names, on_result)
