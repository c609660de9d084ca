"""The benchmark as a plugin: its commands, and the suites that lie in `benchmarks/suites/`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from als_engine import SuiteSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    from als_engine.plugins.findings import Finding
    from als_engine.plugins.hookspecs import Purger

HERE = Path(__file__).parent
FOLDERS = (HERE / "files", HERE.parents[1] / "benchmarks" / "suites")  # A wheel has the first.


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds `als bench`, `als leaderboard` and `als verify`."""
    from als_bench.commands import bench, leaderboard, verify

    app.add_typer(bench.app, name="bench")
    app.command("leaderboard")(leaderboard.leaderboard)
    app.command("verify")(verify.verify)


@hookimpl
def als_suites() -> list[SuiteSpec]:
    """Offers the suites in `benchmarks/suites`."""
    from als_bench.suites import read_suites

    return next((found for folder in FOLDERS if (found := read_suites(folder))), [])


@hookimpl
def als_doctor(report: Callable[[Finding], None]) -> None:
    """Says whether strangers' agents can be confined."""
    from als_bench.sandbox.confinement import confinement
    from als_engine.plugins.findings import Finding

    found = confinement()
    report(Finding("sandbox", "ok" if found.complete else "missing", str(found)))


@hookimpl
def als_purge(add: Callable[[Purger], None]) -> None:
    """Takes persons out of stores of results."""
    from als_bench.purging import purge_store

    add(purge_store)
