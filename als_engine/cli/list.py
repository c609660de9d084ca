"""`als list`: the installed scenarios, by family."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Annotated

import typer

from als_engine.registry import registry
from als_engine.specs import ScenarioSpec

__all__ = ["list_scenarios"]


def list_scenarios(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the specs as JSON, for programs.")
    ] = False,
) -> None:
    """List the installed scenarios."""
    specs = registry.scenarios()
    if as_json:
        typer.echo(json.dumps([spec.as_dict() for spec in specs], indent=2))
        return
    _print_table(specs)
    if failures := registry.failures():
        what = "plugin" if len(failures) == 1 else "plugins"
        typer.echo(f"{len(failures)} {what} failed to load: see `als plugins`.", err=True)


def _print_table(specs: list[ScenarioSpec]) -> None:
    """Prints one block for each family, in alphabetical order."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for title in ("family", "id", "avatars", "summary"):
        # An id is there to be copied: never cut it or break it.
        table.add_column(title, no_wrap=title == "id", overflow="fold")
    by_family = sorted(specs, key=_family)
    for family, group in groupby(by_family, key=_family):
        for index, spec in enumerate(group):
            avatars = f"{spec.min_avatars}-{spec.max_avatars}"
            table.add_row(family if index == 0 else "", spec.id, avatars, spec.summary)
    Console().print(table)


def _family(spec: ScenarioSpec) -> str:
    return spec.family or "other"
