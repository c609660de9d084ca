"""`als list`: the installed scenarios, by family."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

import typer

from als_engine.cli.console import Column, Table, say, say_json, show
from als_engine.physics.engines import describe_engines
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import ScenarioSpec

__all__ = ["list_scenarios"]


def list_scenarios(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the specs as JSON, for programs.")
    ] = False,
) -> None:
    """List the installed scenarios."""
    specs = registry.scenarios()
    if as_json:
        say_json([spec.as_dict() for spec in specs])
        return
    _print_table(specs)
    say(describe_engines(), style="dim")
    if failures := registry.failures():
        what = "plugin" if len(failures) == 1 else "plugins"
        say(f"{len(failures)} {what} failed to load: see `als plugins`.", error=True)


def _print_table(specs: list[ScenarioSpec]) -> None:
    """Prints one block for each family, in alphabetical order."""
    table = Table(("family", Column("id", whole=True), "avatars", "summary"))
    by_family = sorted(specs, key=_family)
    for family, group in groupby(by_family, key=_family):
        for index, spec in enumerate(group):
            avatars = f"{spec.min_avatars}-{spec.max_avatars}"
            table.row(family if index == 0 else "", spec.id, avatars, spec.summary)
    show(table)


def _family(spec: ScenarioSpec) -> str:
    return spec.family or "other"
