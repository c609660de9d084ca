"""Runs the checks, one after the other, and turns whatever goes wrong into one line each."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from als_engine.conformance import content, moments, play, replay, views
from als_engine.conformance.case import Case, Options
from als_engine.conformance.report import ConformanceError, Report, Result
from als_engine.errors import ArgumentError, unknown
from als_engine.plugins.registry import registry

__all__ = ["CHECKS", "check_scenario", "examine"]

Check = Callable[[Case], Iterable[str]]

CHECKS: Final[Mapping[str, Check]] = {
    "docstring": content.docstring,
    "spec": content.spec,
    "levels": content.levels,
    "splits": content.splits,
    "instructions": content.instructions,
    "gymnasium": views.gymnasium_api,
    "pettingzoo": views.pettingzoo_api,
    "sb3": views.sb3_api,
    "replay": replay.replay,
    "autoreset": replay.autoreset,
    "workers": replay.workers,
    "snapshot": moments.snapshot,
    "time-limit": replay.time_limit,
    "answers": play.answers,
    "pure": play.pure,
    "terms": play.terms,
    "sensors": play.sensors,
    "expert": play.expert,
    "random": play.random,
    "heuristics": play.heuristics,
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
    for name in (*(options.only or ()), *options.skip):
        if name not in CHECKS:
            raise ArgumentError(unknown("check", name, CHECKS))
    case = Case(registry.scenario(id), options, dict(arguments))
    case.simulate().close()  # A wrong argument is the caller's mistake, not the scenario's.
    results = []
    for name, check in CHECKS.items():
        if name in (options.only or CHECKS) and name not in options.skip:
            results.append(_run(name, check, case))
            on_result(results[-1])
    return Report(id, tuple(results), dict(case.figures))


def _run(name: str, check: Check, case: Case) -> Result:
    failures: list[str] = []
    began = time.perf_counter()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # PettingZoo's tests print.
            failures += check(case)
    # Whatever a scenario raises, it is the check that failed.
    except (Exception, SystemExit) as error:
        failures.append(_one_line(error))
    promise = (check.__doc__ or "").partition("\n")[0]
    seconds = time.perf_counter() - began
    return Result(name, promise, tuple(failures), case.notes.get(name, ""), seconds)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if len(text) > 400:
        text = f"{text[:400]} ..."
    return text if isinstance(error, AssertionError) and text else f"{type(error).__name__}: {text}"
