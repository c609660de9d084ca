"""Adds `als shrink` to the command line, and the agent `small` that it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from als_engine import AgentSpec, hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def als_agents() -> list[AgentSpec]:
    """Offers the agent."""
    return [
        AgentSpec(
            id="small",
            agent="als_plugins.fitting.small:SmallAgent",
            summary="A trained agent with fewer weights, or weights of 8 bits.",
            needs=("learn",),
            made_by="als shrink",
        )
    ]


@hookimpl
def als_commands(app: typer.Typer) -> None:
    """Adds the command."""
    from als_plugins.fitting.command import shrink

    app.command("shrink")(shrink)
