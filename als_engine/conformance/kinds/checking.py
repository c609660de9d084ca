"""Checks whatever a word names: one thing, or a package and everything that it offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from als_engine.conformance.case import Options
from als_engine.conformance.kinds import packages
from als_engine.conformance.kinds.alone import PATIENCE, check_alone
from als_engine.conformance.kinds.subjects import (
    CHECKS,
    Job,
    find,
    needs_own_process,
    own_of,
    run,
)
from als_engine.conformance.report import ConformanceError, Report, Result
from als_engine.conformance.running import check_names, run_all
from als_engine.plugins.discovery import BUNDLED

__all__ = ["POINTS", "check", "check_everything"]

POINTS: Mapping[str, Mapping[str, Any]] = {**CHECKS, "package": packages.CHECKS}
"""Kind to its checks by name: all that `als check` looks at."""


def check(
    word: str,
    options: Options,
    arguments: Mapping[str, Any],
    on: str = "",
    patience: float = PATIENCE,
    on_result: Callable[[Result], None] = lambda result: None,
    on_begin: Callable[[str, str, int], None] = lambda kind, name, of: None,
) -> Iterator[Report]:
    """Checks what a word names, one thing after the other.

    Args:
        word: an id, or the name of a distribution.
        options: how hard to look.
        arguments: of scenarios, also of that in which an agent acts.
        on: the scenario in which agents, sensors and encoders are looked at.
        patience: seconds that a check of something that is not ours may take.
        on_result: called after each check.
        on_begin: called before each thing with its kind, its id, and how many there are.

    Raises:
        UnknownIdError: there is no such thing, or no such scenario.
        ArgumentError: an option or an argument is not allowed.
    """
    package, things = find(word)
    kinds = {*POINTS} if package else {thing.kind for thing in things}
    check_names(
        {n: c for kind in kinds for n, c in POINTS[kind].items()}, options.only, options.skip
    )
    count = len(things) + bool(package)
    if package:
        on_begin("package", package, count)
        yield _package(package, options, patience, on_result)
    for thing in things:
        takes = thing.kind in ("scenario", "agent")
        job = Job(thing, options, arguments if takes else {}, on)
        if job.names():
            on_begin(thing.kind, thing.id, count)
            yield _thing(job, patience, on_result)


def check_everything(word: str, *, on: str = "", **options: Any) -> list[Report]:
    """Checks whatever a word names, for a test: a package, say, with all that it offers.

    Args:
        word: an id, or the name of a distribution.
        on: the scenario in which agents, sensors and encoders are looked at.
        **options: the fields of `Options`.

    Raises:
        ConformanceError: a promise is broken; tells of the first thing that breaks one.
        UnknownIdError: there is no such thing.
    """
    reports = list(check(word, Options(**options), {}, on))
    for report in reports:
        if not report.ok:
            raise ConformanceError(report)
    return reports


def _package(
    name: str, options: Options, patience: float, on_result: Callable[[Result], None]
) -> Report:
    # Whatever is ours does not hang, but on a busy machine torch alone takes longer.
    limit = patience if name == BUNDLED else min(patience, packages.PATIENCE)
    case = packages.PackageCase.of(name, limit)
    wanted = [n for n in packages.CHECKS if n in (options.only or packages.CHECKS)]
    names = [n for n in wanted if n not in options.skip]
    return run_all("package", case, packages.CHECKS, names, on_result)


def _thing(job: Job, patience: float, on_result: Callable[[Result], None]) -> Report:
    if needs_own_process(job.thing):
        return check_alone(job, own_of(job.thing), on_result, patience)
    return run(job, None, on_result)
