"""Offers the suites that lie in `benchmarks/suites/`; a wheel has them beside this file."""

from __future__ import annotations

from pathlib import Path

from als_engine import SuiteSpec, hookimpl

HERE = Path(__file__).parent
FOLDERS = (HERE / "files", HERE.parents[2] / "benchmarks" / "suites")


@hookimpl
def als_suites() -> list[SuiteSpec]:
    """Offers smoke, core, generalisation and social."""
    from als_engine.benchmark.suites import read_suites

    return next((found for folder in FOLDERS if (found := read_suites(folder))), [])
