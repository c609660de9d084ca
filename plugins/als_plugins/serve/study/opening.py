"""From what stands on the command line to what persons play: a study's file, or a suite."""

from __future__ import annotations

from pathlib import Path

from als_engine.errors import ArgumentError
from als_engine.evaluation.suite_files import find_suite
from als_engine.plugins.registry import registry
from als_engine.system.toml_files import read_toml
from als_plugins.serve.study.design import read_study
from als_plugins.serve.study.planning import FilePlan, SuitePlan
from als_plugins.serve.study.session import Plan

__all__ = ["open_plan"]


def open_plan(what: str, folder: Path, only: list[str], episodes: int) -> Plan:
    """Opens a study.

    Args:
        what: the path of its file, or of a suite's, or the id of a suite.
        folder: of the results.
        only: entries of a suite.
        episodes: of a suite, for each person and entry.

    Raises:
        ALSError: it is neither, or not as it should be; one line.
    """
    is_suite = any(spec.id == what for spec in registry.suites())
    if not is_suite and Path(what).is_file():
        is_suite = "entries" in read_toml(Path(what))[0]
    if is_suite:
        return SuitePlan(find_suite(what), only, episodes, folder)
    if only:
        raise ArgumentError("--only goes with a suite, which has entries")
    if not Path(what).is_file():
        raise ArgumentError(f'"{what}" is neither the file of a study nor a suite')
    return FilePlan(read_study(Path(what)))
